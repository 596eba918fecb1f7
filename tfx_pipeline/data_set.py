"""The files a configuration stands for: found, opened once, fingerprinted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError
from components.geo.image import open_image
from components.geo.label_options import VectorLabels
from components.records.fingerprint import files_fingerprint
from components.tile_source import TileSource
from tfx_pipeline.config import Config
from tfx_pipeline.tiles import find_tiles


@dataclass(frozen=True)
class DataSet:
    """The files a configuration stands for, as found at the start of a run.

    Attributes:
        tiles: The tiles, sorted.
        fingerprint: Of all their files' content.
        dtype: NumPy name of the images' dtype.
    """

    tiles: tuple[TileSource, ...]
    fingerprint: str
    dtype: str

    def evaluated_split(self, config: Config) -> str:
        """The split that is evaluated and gated: as configured, else test where it has a tile, else eval."""
        return config.evaluation.split or ("test" if any(tile.split == "test" for tile in self.tiles) else "eval")


@dataclass(frozen=True)
class Places:
    """Where a run's things go.

    Attributes:
        workdir: Everything below it belongs to EOSeg.
        model_base: The served folder.
    """

    workdir: Path
    model_base: Path

    @property
    def pipeline_root(self) -> Path:
        """TFX's artifacts."""
        return self.workdir / "artifacts"

    @property
    def metadata(self) -> Path:
        """ML Metadata's SQLite file."""
        return self.workdir / "metadata.sqlite"

    @property
    def checkpoints(self) -> Path:
        """Training checkpoints; they outlive a killed run."""
        return self.workdir / "checkpoints"

    @property
    def validation(self) -> Path:
        """The label validator's latest report."""
        return self.workdir / "validation"

    @property
    def maps(self) -> Path:
        """Predicted maps."""
        return self.workdir / "maps"

    @property
    def report(self) -> Path:
        """The report of the latest run."""
        return self.workdir / "report.html"

    @property
    def summary(self) -> Path:
        """The figures of the latest run, as JSON."""
        return self.workdir / "summary.json"


def places_of(config: Config) -> Places:
    """Absolute paths, so that a run does not depend on the current directory."""
    workdir = Path(config.workdir or Path("work") / config.name).expanduser().absolute()
    model_base = Path(config.publish.model_base).expanduser().absolute() if config.publish.model_base else None
    return Places(workdir, model_base or workdir / "served")


def find_data_set(
    config: Config, places: Places, say: Callable[[str], None] = lambda _: None, *, fingerprint: bool = True
) -> DataSet:
    """Finds the tiles (making the sample scenes first, where the configuration asks for them).

    Args:
        config: The configuration.
        places: Where the memory of digests is kept.
        say: Told when scenes are made.
        fingerprint: False skips reading the files' content.

    Raises:
        EosegError: If tiles are missing, in two splits, or differ in dtype from the first one.
    """
    if config.sample_scenes is not None:
        config = with_sample_scenes(config, places, say)
    tiles = find_tiles(config.data)
    # A tile that cannot be opened is the label validator's to report, together with all the others.
    with open_image(tiles[0].all_rasters, config.band_set) as first:
        dtype = first.dtype
    files = list(dict.fromkeys(path for tile in tiles for path in tile.files))
    labels = config.label_options
    if isinstance(labels, VectorLabels) and labels.grid_sizes:
        files.append(labels.grid_sizes)
    digest = files_fingerprint(files, places.workdir / "fingerprints.json") if fingerprint else ""
    return DataSet(tuple(tiles), digest, dtype)


def with_sample_scenes(config: Config, places: Places, say: Callable[[str], None]) -> Config:
    """Writes the sample scenes and points `data.root` at them."""
    from tfx_pipeline.sample_scenes.write_scenes import write_scenes

    scenes = config.sample_scenes
    if scenes is None:
        raise ConfigError("the configuration has no sample_scenes", "sample_scenes", "add the key")
    folder = places.workdir / "scenes"
    say(f"sample scenes in {folder}")
    write_scenes(
        folder,
        range(1, scenes.tiles + 1),
        seed=scenes.seed,
        size_px=scenes.size_px,
        ground_sample_distance_m=scenes.ground_sample_distance_m,
    )
    return config.model_copy(update={"data": config.data.model_copy(update={"root": str(folder)})})
