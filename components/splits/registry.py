"""The split registry: a file that freezes which split each tile is in, so that none moves when tiles are added.

    {
      "format": "eoseg split registry",
      "version": 1,
      "block_size_px": null,
      "tiles": {
        "a": "train",
        "b": "eval"
      }
    }

It is meant to be kept under version control. A tile that is gone stays listed: it may come back.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.tile_source import SPLITS, Split

FORMAT = "eoseg split registry"
VERSION = 1


@dataclass(frozen=True)
class Registry:
    """Frozen splits.

    Attributes:
        splits: Tile id -> split.
        block_size_px: Side of the ground blocks among the tiles; None where there are none. With another size `r2c3`
            would be other ground.
    """

    splits: Mapping[str, Split] = field(default_factory=dict)
    block_size_px: int | None = None

    def with_new(self, splits: Mapping[str, Split], block_size_px: int | None = None) -> "Registry":
        """The registry with further tiles; those it knows keep their split."""
        return Registry({**splits, **self.splits}, self.block_size_px or block_size_px)


def load_registry(path: Path) -> Registry:
    """The registry in a file; an empty one where there is no file yet.

    Raises:
        ConfigError: If the file is no registry, or of a later version, or its folder is not there.
    """
    _refuse_missing_folder(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Registry()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from error
    try:
        document = json.loads(text, object_pairs_hook=_refuse_twins)
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _unusable(path, f"it is not marked as '{FORMAT}'")
    if document.get("version") != VERSION:
        raise ConfigError(
            f"{path} is a split registry of version {document.get('version')!r}",
            f"version {VERSION}, which this EOSeg writes",
            "use the EOSeg that wrote it",
        )
    tiles, size = document.get("tiles"), document.get("block_size_px")
    if not isinstance(tiles, dict) or not (size is None or isinstance(size, int)):
        raise _unusable(path, "`tiles` is no mapping, or `block_size_px` no number")
    for tile, split in tiles.items():
        if split not in SPLITS:
            raise _unusable(path, f"tile {tile} is in the split {split!r}; splits are {', '.join(SPLITS)}")
    return Registry(tiles, size)


def save_registry(path: Path, registry: Registry) -> None:
    """Writes the file in one piece: whoever reads it meanwhile sees the old one or the new one.

    Raises:
        ConfigError: If it cannot be written, or its folder is not there.
    """
    _refuse_missing_folder(path)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "block_size_px": registry.block_size_px,
        "tiles": dict(sorted(registry.splits.items())),
    }
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(
            f"the split registry {path} cannot be written: {error}",
            "a file in a folder that can be written to",
            "correct data.split_registry",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _refuse_missing_folder(path: Path) -> None:
    # A path with a typing error would begin a new registry in a new folder, and every tile be dealt anew in silence.
    if not path.parent.is_dir():
        raise ConfigError(
            f"the split registry {path} would lie in a folder that is not there: {path.parent.absolute()}",
            "a file in a folder that is there, relative to the current directory",
            "correct data.split_registry, or make the folder",
        )


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A merge of two branches can leave one tile twice; JSON alone would silently take the last.
    keys = [key for key, _ in pairs]
    twin = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twin is not None:
        raise ValueError(f"'{twin}' is in it twice")
    return dict(pairs)


def _unusable(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be used as split registry: {problem}",
        "a file that EOSeg wrote",
        "restore it from version control; deleting it deals all tiles anew",
    )
