"""Which tiles `eoseg predict` is given: files, folders, lists and item collections, here or in a store."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import Field

from components.errors import ConfigError, MissingFileError
from components.geo.paths import file_exists, gdal_path, is_remote
from components.geo.remote_files import list_files
from components.options import Options
from tfx_pipeline.stac_tiles import asset_place, read_items
from tfx_pipeline.tile_lists import cell_text, read_cells
from tfx_pipeline.tile_root import join

TILE_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg", ".img", ".bil")
"""What counts as a tile in a folder; files that are named count whatever their name."""

LIST_SUFFIXES = (".csv", ".parquet", ".pq")
STAC_SUFFIXES = (".json", ".geojson")


class PredictionTile(Options):
    """A tile to be predicted."""

    name: str = Field(min_length=1)
    """Of its map, without a suffix; may have folders in it."""
    image: str
    rasters: dict[str, str] = Field(default_factory=dict)
    date: str = ""
    """When it was taken, as ISO 8601; empty where unknown."""


def find_prediction_tiles(
    inputs: Sequence[str], rasters: Mapping[str, str] | None = None, asset: str = "image", skip: Path | None = None
) -> list[PredictionTile]:
    """The tiles of all inputs, in their order; a folder's sorted by name.

    Args:
        inputs: Rasters, folders, lists (CSV, Parquet), STAC item collections (JSON); local or in a store.
        rasters: Name -> path of further rasters, where `{tile}` stands for the tile's name; in an item collection it
            may be the key of an asset.
        asset: The key of an item's image.
        skip: A folder below which nothing is looked for: the maps' own.

    Raises:
        MissingFileError: If an input is not there, or a folder has no tile.
        ConfigError: If two tiles would have one map, or a list cannot be read.
    """
    tiles = [tile for given in inputs for tile in _tiles_of(given, dict(rasters or {}), asset, skip)]
    twice = [name for name, times in Counter(tile.name for tile in tiles).items() if times > 1]
    if twice:
        images = ", ".join(tile.image for tile in tiles if tile.name == twice[0])
        raise ConfigError(
            f"{images} would have one map: {twice[0]}.tif", "a name for each tile", "predict them into folders apart"
        )
    return tiles


def is_many(inputs: Sequence[str], out: str) -> bool:
    """Whether OUT is a folder of maps."""
    given = inputs[0]
    return len(inputs) > 1 or out.endswith("/") or Path(out).is_dir() or _is_list(given) or _is_folder(given)


def _tiles_of(given: str, rasters: dict[str, str], asset: str, skip: Path | None) -> list[PredictionTile]:
    if _is_list(given):
        path = Path(gdal_path(given))
        listed = _in_items(path, rasters, asset) if _suffix(given) in STAC_SUFFIXES else _in_list(path, rasters)
        return listed
    if _is_folder(given):
        names = list_files(given) if is_remote(given) else _local_files(Path(gdal_path(given)), skip)
        tiles = [name for name in names if _suffix(name) in TILE_SUFFIXES]
        if not tiles:
            raise MissingFileError(
                f"{given} holds no tile", f"files ending with {', '.join(TILE_SUFFIXES)}", "give another folder"
            )
        return [_tile(str(PurePosixPath(name).with_suffix("")), join(given, name), rasters) for name in tiles]
    if not is_remote(given) and not file_exists(given):
        raise MissingFileError(f"{given} does not exist", "a raster, a folder, or a list of tiles", "correct the path")
    return [_tile(PurePosixPath(gdal_path(given)).stem, given, rasters)]


def _tile(name: str, image: str, rasters: Mapping[str, str], date: str = "") -> PredictionTile:
    filled = {raster: path.replace("{tile}", name) for raster, path in rasters.items()}
    return PredictionTile(name=name, image=image, rasters=filled, date=date)


def _in_list(path: Path, rasters: Mapping[str, str]) -> list[PredictionTile]:
    header, rows = read_cells(path)
    if "image" not in header:
        raise ConfigError(
            f"{path} has no column image; its columns are {', '.join(header) or 'none'}",
            "a column image, and if wanted tile and raster:NAME",
            "correct the header",
        )
    tiles = []
    for place, row in rows:
        cells = {name: cell_text(cell) for name, cell in row.items()}
        if not cells["image"]:
            raise ConfigError(f"{path}, {place} has no image", "a path", "correct the row")
        image = join(str(path.parent), cells["image"])
        name = cells.get("tile") or PurePosixPath(gdal_path(image)).stem
        listed = {
            column.removeprefix("raster:"): join(str(path.parent), cell)
            for column, cell in cells.items()
            if column.startswith("raster:") and cell
        }
        tiles.append(_tile(name, image, {**listed, **rasters}, cells.get("date", "")))
    return tiles


def _in_items(path: Path, rasters: Mapping[str, str], asset: str) -> list[PredictionTile]:
    tiles = []
    for item in read_items(path):
        if asset not in item.assets:
            raise ConfigError(
                f"item {item.id} of {path} has no asset '{asset}'; it has {', '.join(item.assets) or 'none'}",
                "the image's asset in every item",
                "name it: --asset KEY",
            )
        of_item = {
            name: asset_place(path, item.assets[value].href) if value in item.assets else value
            for name, value in rasters.items()
        }
        date = item.datetime.isoformat() if item.datetime else ""
        tiles.append(_tile(item.id, asset_place(path, item.assets[asset].href), of_item, date))
    return tiles


def _local_files(folder: Path, skip: Path | None) -> list[str]:
    """Visible files below a folder, without maps in the making."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_ours = skip is not None and path.resolve().is_relative_to(skip.resolve())
        if not is_ours and not any(part.startswith(".") or part.endswith(".part") for part in inside.parts):
            found.append(inside.as_posix())
    return found


def _is_list(given: str) -> bool:
    return _suffix(given) in (*LIST_SUFFIXES, *STAC_SUFFIXES) and not is_remote(given)


def _is_folder(given: str) -> bool:
    if not is_remote(given):
        return Path(gdal_path(given)).is_dir()
    return given.endswith("/") or not _suffix(given)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
