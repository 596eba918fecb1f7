"""The files a configuration stands for: found, opened once, fingerprinted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError, RasterError
from components.evaluation.check_zones import check_zones
from components.evaluation.gate_options import check_places
from components.file_systems import is_object_store
from components.geo.class_names import id_of
from components.geo.image import open_image
from components.geo.label_options import VectorLabels
from components.geo.labels import LabelDecoder
from components.records.fingerprint import files_fingerprint
from components.splits.ground_blocks import refuse_narrow
from components.tile_source import TileSource
from tfx_pipeline.config import Config
from tfx_pipeline.tiles import find_tiles

MOST_TRIED = 3
"""Tiles that are tried for their dtype before the configuration is taken to be wrong."""


@dataclass(frozen=True)
class DataSet:
    """The files a configuration stands for, as found at the start of a run.

    Attributes:
        tiles: The tiles, sorted.
        fingerprint: Of all their files' content.
        dtype: NumPy name of the images' dtype.
        zones_fingerprint: Of the file of zones; apart, because it decides areas and no record, and other zones must not
            train the network again. Empty without one.
    """

    tiles: tuple[TileSource, ...]
    fingerprint: str
    dtype: str
    zones_fingerprint: str = ""

    def evaluated_split(self, config: Config) -> str:
        """The split that is evaluated and gated: as configured, else test where it has a tile, else eval."""
        return config.evaluation.split or ("test" if any(tile.split == "test" for tile in self.tiles) else "eval")

    def mapped_tiles(self, config: Config) -> dict[str, TileSource]:
        """The tiles that maps are made of: as configured, else the first one of the evaluated split.

        A map is of a whole tile, also where its ground blocks are in several splits.

        Raises:
            ConfigError: If `maps.tiles` names what is no tile.
        """
        by_id = {tile.whole_tile: tile for tile in self.tiles}
        wanted = config.maps.tiles
        if wanted is None:
            split = self.evaluated_split(config)
            wanted = tuple(tile.whole_tile for tile in self.tiles if tile.split == split)[:1]
        unknown = [tile for tile in wanted if tile not in by_id]
        if unknown:
            raise ConfigError(
                f"maps.tiles names '{unknown[0]}', which is no tile",
                f"one of {', '.join(list(by_id)[:10])}",
                "correct maps.tiles (a tile's id, not a block's)",
            )
        return {tile: by_id[tile] for tile in wanted}


@dataclass(frozen=True)
class Places:
    """Where a run's things go.

    Attributes:
        workdir: Everything below it belongs to EOSeg.
        model_base: The served folder.
        artifacts: A folder or `s3://bucket/prefix` for TFX's artifacts; None is `artifacts` in `workdir`.
    """

    workdir: Path
    model_base: Path
    artifacts: str | None = None

    @property
    def pipeline_root(self) -> str:
        """TFX's artifacts."""
        return self.artifacts or str(self.workdir / "artifacts")

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
    def monitor(self) -> Path:
        """Statistics of served maps (`eoseg predict --monitor`), which the report shows the drift of."""
        return self.workdir / "monitor"

    @property
    def areas(self) -> Path:
        """Areas by class of the evaluated tiles and zones of the latest run, as CSV."""
        return self.workdir / "areas.csv"

    @property
    def summary(self) -> Path:
        """The figures of the latest run, as JSON."""
        return self.workdir / "summary.json"


def places_of(config: Config) -> Places:
    """Absolute paths, so that a run does not depend on the current directory."""
    workdir = Path(config.workdir or Path("work") / config.name).expanduser().absolute()
    model_base = Path(config.publish.model_base).expanduser().absolute() if config.publish.model_base else None
    return Places(workdir, model_base or workdir / "served", _artifacts(config.artifacts))


def _artifacts(named: str | None) -> str | None:
    if named is None or is_object_store(named):
        return named.rstrip("/") if named else None
    return str(Path(named).expanduser().absolute())


def find_data_set(
    config: Config, places: Places, say: Callable[[str], None] = lambda _: None, *, fingerprint: bool = True
) -> DataSet:
    """Finds the tiles (making the sample scenes first, where the configuration asks for them).

    Args:
        config: The configuration.
        places: Where the memory of digests is kept.
        say: Told when scenes are made, and what of a tile list is passed over.
        fingerprint: False skips reading the files' content.

    Raises:
        EosegError: If tiles are missing, in two splits, or differ in dtype from the first one.
    """
    if config.sample_scenes is not None:
        config = with_sample_scenes(config, places, say)
    tiles = find_tiles(config.data, say)
    if config.data.blocks is not None:
        refuse_narrow(tiles, config.data.blocks, config.patches.size * config.patches.downsample)
    _refuse_unknown_classes(config, tiles)
    dtype = _dtype_of_the_first(tiles, config)
    files = list(dict.fromkeys(path for tile in tiles for path in tile.files))
    labels = config.label_options
    if isinstance(labels, VectorLabels) and labels.grid_sizes:
        files.append(labels.grid_sizes)
    zones = [] if config.zones is None else [config.zones.file]
    if config.zones is not None:
        check_zones(config.zones)
    digest = files_fingerprint(files, places.workdir / "fingerprints.json") if fingerprint else ""
    # Without the memory, which would forget the tiles.
    data = DataSet(tuple(tiles), digest, dtype, files_fingerprint(zones) if fingerprint and zones else "")
    data.mapped_tiles(config)  # raises now, not after the training
    evaluated = data.evaluated_split(config)
    if not any(tile.split == evaluated for tile in tiles):
        raise ConfigError(
            f"evaluation.split is {evaluated}, and no tile is in that split",
            "a split that has a tile",
            f"put tiles into {evaluated}, or leave evaluation.split out",
        )
    check_places(config.evaluation.gates, {tile.whole_tile for tile in tiles if tile.split == evaluated})
    return data


def _dtype_of_the_first(tiles: Sequence[TileSource], config: Config) -> str:
    """The dtype of the first tile that can be opened: the others are the label validator's to report, all at once.

    Raises:
        RasterError: If the first few all cannot: then the configuration is wrong, not the tiles.
    """
    wrong = None
    for tile in tiles[:MOST_TRIED]:
        try:
            with open_image(tile.all_rasters, config.band_set) as image:
                return image.dtype
        except RasterError as error:
            wrong = wrong or error
    raise wrong or ConfigError("the data set has no tile", "at least one tile", "correct `data`")


def _refuse_unknown_classes(config: Config, tiles: Sequence[TileSource]) -> None:
    """Names in the label options and of masks: a wrong one is a mistake of the configuration, not of every tile."""
    LabelDecoder(config.table, config.label_options)  # raises
    for tile in tiles:
        if bool(tile.masks) != (config.labels.kind == "masks"):
            raise ConfigError(
                f"tile {tile.tile} has {'masks' if tile.masks else 'one label file'}, but labels.kind is "
                f"{config.labels.kind}",
                "labels: {kind: masks} where each class has a mask of its own, another kind where not",
                "correct labels.kind, or the tile's label",
            )
        for name in tile.masks:
            id_of(name, config.table, f"a mask of tile {tile.tile}")


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
