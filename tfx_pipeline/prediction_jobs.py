"""Which files `eoseg predict` writes for which tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError
from components.geo.paths import is_remote
from serving.map_outputs import MapOutputs
from serving.map_polygons import PolygonOptions, check_polygons_path
from tfx_pipeline.prediction_tiles import PredictionTile, find_prediction_tiles, is_many

SUFFIXES = {"confidence": ".tif", "scores": ".tif", "polygons": ".gpkg", "areas": ".csv", "stac": ".json"}
"""Of the files of each kind where there are several tiles."""


@dataclass(frozen=True)
class PredictionJob:
    """A tile, its map, and what comes with it."""

    tile: PredictionTile
    map_path: Path
    outputs: MapOutputs


def plan_predictions(
    inputs: Sequence[str],
    out: str,
    wanted: Mapping[str, str],
    rasters: Mapping[str, str],
    asset: str = "image",
    polygon_options: PolygonOptions | None = None,
) -> list[PredictionJob]:
    """One job a tile. With one raster, `out` and the places of `wanted` are files; else folders of mirrored names.

    Args:
        inputs: As `find_prediction_tiles`.
        out: The map, or the folder of maps.
        wanted: Kind of output (a key of `SUFFIXES`) -> where to.
        rasters, asset: As `find_prediction_tiles`.
        polygon_options: For the polygons among the outputs.

    Raises:
        ConfigError: If something is to be written to a store, polygons to a file of unknown ending, or a tile's name
            leads out of the folder.
        MissingFileError: As `find_prediction_tiles`.
    """
    for place in (out, *wanted.values()):
        if is_remote(place):
            raise ConfigError(
                f"{place} is no local path", "a path on this machine", "write the map here, and copy it there"
            )
    options = polygon_options or PolygonOptions()

    def outputs_at(places: Mapping[str, str | Path]) -> MapOutputs:
        return MapOutputs.model_validate({**places, "polygon_options": options})

    if not is_many(inputs, out):
        if "polygons" in wanted:
            check_polygons_path(Path(wanted["polygons"]))
        (tile,) = find_prediction_tiles(inputs, rasters, asset)
        return [PredictionJob(tile, Path(out), outputs_at(wanted))]
    jobs = []
    for tile in find_prediction_tiles(inputs, rasters, asset, skip=Path(out)):
        places = {kind: _below(place, tile.name, SUFFIXES[kind]) for kind, place in wanted.items()}
        jobs.append(PredictionJob(tile, _below(out, tile.name, ".tif"), outputs_at(places)))
    return jobs


def _below(folder: str, name: str, suffix: str) -> Path:
    path = Path(folder) / f"{name}{suffix}"
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ConfigError(f"the tile's name '{name}' leads out of {folder}", "a name", "correct the list of tiles")
    return path
