"""Takes out of a pipeline, before it is compiled, what only a run knows: where its tiles are and what is in them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.geo.label_options import VectorLabels
from components.geo.paths import is_remote
from components.tile_source import TileSource
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.tile_root import expanded

from .run_time import FINGERPRINT_MARK, ROOT_MARK


@dataclass(frozen=True)
class Marked:
    """A configuration and its data with marks in the place of folder and fingerprint.

    Attributes:
        config: The configuration.
        data: The data set.
        files: Those that a run reads by path, in the order that `find_data_set` takes their fingerprint in.
        root: What the mark stands for here; None where no file lies below it: there is no folder to move then.
    """

    config: Config
    data: DataSet
    files: tuple[str, ...]
    root: str | None


def mark(config: Config, data: DataSet, here: Places) -> Marked:
    """Puts the marks in.

    Args:
        config: The configuration.
        data: Its files, found here.
        here: Where sample scenes are written.
    """
    root = str(here.workdir / "scenes") if config.sample_scenes is not None else expanded(config.data.root)
    root = _complete(root).rstrip("/")
    files = _files(config, data)
    marked = {path: _marked(path, root) for path in files}
    tiles = tuple(TileSource.model_validate(_with(tile.model_dump(), marked)) for tile in data.tiles)
    updates: dict[str, Any] = {"data": config.data.model_copy(update={"root": ROOT_MARK})}
    if isinstance(config.label_options, VectorLabels):
        updates["labels"] = config.labels.model_validate(_with(config.label_options.model_dump(), marked))
    if config.zones is not None:
        zones = config.zones.model_copy(update={"file": marked[config.zones.file]})
        updates["evaluation"] = config.evaluation.model_copy(update={"zones": zones})
    return Marked(
        config.model_copy(update=updates),
        # The step on the cluster reads all files, zones among them, into one fingerprint.
        replace(data, tiles=tiles, fingerprint=FINGERPRINT_MARK, zones_fingerprint=""),
        tuple(marked.values()),
        root if any(path.startswith(ROOT_MARK) for path in marked.values()) else None,
    )


def _files(config: Config, data: DataSet) -> list[str]:
    files = list(dict.fromkeys(path for tile in data.tiles for path in tile.files))
    labels = config.label_options
    if isinstance(labels, VectorLabels) and labels.grid_sizes:
        files.append(labels.grid_sizes)
    if config.zones is not None:
        files.append(config.zones.file)
    return files


def _complete(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())


def _marked(path: str, root: str) -> str:
    whole = _complete(path)
    return ROOT_MARK + whole.removeprefix(root) if whole.startswith(f"{root}/") else whole


def _with(value: Any, texts: dict[str, str]) -> Any:
    """A copy of nested mappings in which some texts are others."""
    if isinstance(value, dict):
        return {key: _with(entry, texts) for key, entry in value.items()}
    return texts.get(value, value) if isinstance(value, str) else value
