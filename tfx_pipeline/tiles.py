"""Which tiles a configuration names, and which split each is in."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from components.errors import ConfigError, DataError, MissingFileError
from components.geo.remote_files import refuse_unmarked
from components.tile_source import SPLITS, TileSource
from tfx_pipeline.data_options import DataOptions, ListedTile
from tfx_pipeline.split_assignment import assign_splits, matches
from tfx_pipeline.stac_tiles import read_stac
from tfx_pipeline.tile_dates import iso_date
from tfx_pipeline.tile_fields import fill
from tfx_pipeline.tile_lists import read_tile_list
from tfx_pipeline.tile_root import TileRoot, expanded

__all__ = ["DataOptions", "find_tiles"]


def find_tiles(options: DataOptions, say: Callable[[str], None] = lambda _: None) -> list[TileSource]:
    """The tiles of a data set, or their blocks, sorted by split (train, eval, test), then by id.

    New tiles are written into `data.split_registry`, where one is configured.

    Args:
        options: Which they are.
        say: Told what of a list is passed over.

    Raises:
        MissingFileError: If the root, a list or a tile's file is not there, or no image matches.
        ConfigError: If two files give one tile id, a tile is in no split, in two, or in another than it was, or a file
            lies where a change of it could not be noticed.
        DataError: If train or eval has no tile.
    """
    root = TileRoot(options.root)
    refuse_unmarked(root.path)
    listed = _with_read_rasters(_listed(options, root), options, say)
    twice = [tile for tile, times in Counter(tile.tile for tile in listed).items() if times > 1]
    if twice:
        raise ConfigError(f"tile {twice[0]} is listed twice", "one entry a tile", "correct the list of tiles")
    listed = [tile for tile in listed if not matches(tile.tile, options.exclude)]
    _refuse_unmatched(options, [tile.tile for tile in listed])
    _refuse_missing(listed, root)
    _refuse_missing_area(options, root)
    assignment = assign_splits(listed, options)
    for split in ("train", "eval"):
        if not any(source.split == split for source in assignment.sources):
            raise DataError(
                f"split {split} has no tile (of {len(assignment.sources)} tiles below {root})",
                "at least one tile in train and one in eval",
                _remedy_for_an_empty_split(options, split),
            )
    sources = [_within(source, options, root) for source in assignment.sources]
    assignment.freeze()
    return sorted(sources, key=lambda source: (SPLITS.index(source.split), source.tile))


def _within(source: TileSource, options: DataOptions, root: TileRoot) -> TileSource:
    """The tile with the area of interest, which is the same for all."""
    if not options.area_of_interest:
        return source
    return source.model_copy(update={"area_of_interest": root.join(expanded(options.area_of_interest))})


def _listed(options: DataOptions, root: TileRoot) -> list[ListedTile]:
    """All tiles that the configuration names, with full paths."""
    if options.images:
        return _matched(options, root)
    if options.stac:
        return read_stac(_list_file(options.stac.items, root), options.stac)
    listed: Sequence[ListedTile] = options.tiles
    if options.list:
        file = _list_file(options.list, root)
        listed = read_tile_list(file)
        if "root" not in options.model_fields_set:
            root = TileRoot(str(file.parent))
    return [
        tile.model_copy(
            update={
                "image": root.join(tile.image),
                "label": tile.label and root.join(tile.label),
                "ignore": tile.ignore and root.join(tile.ignore),
                "masks": {name: root.join(path) for name, path in tile.masks.items()},
                "rasters": {name: root.join(path) for name, path in tile.rasters.items()},
            }
        )
        for tile in listed
    ]


def _with_read_rasters(listed: list[ListedTile], options: DataOptions, say: Callable[[str], None]) -> list[ListedTile]:
    """The tiles without rasters that no band is read from: these need not be there, and may change."""
    read = options.band_set.rasters
    useless = {name: None for tile in listed for name in tile.rasters if name not in read}
    if not useless:
        return listed
    say(f"{options.list}: no band is read from {', '.join(f'raster:{name}' for name in useless)}; passed over")
    return [
        tile.model_copy(update={"rasters": {name: path for name, path in tile.rasters.items() if name in read}})
        for tile in listed
    ]


def _list_file(path: str, root: TileRoot) -> Path:
    """Lists lie below a local root; beside a store they are local files of their own."""
    return Path(expanded(path)) if root.is_remote else Path(root.path) / expanded(path)


def _matched(options: DataOptions, root: TileRoot) -> list[ListedTile]:
    found = root.matching(options.images or "")
    if not found:
        raise MissingFileError(
            f"no image below {root} matches '{options.images}'",
            "at least one image",
            "correct data.root or data.images",
        )
    listed: dict[str, ListedTile] = {}
    for image, fields in found:
        tile = fill(options.tile_id, fields)
        if matches(tile, options.exclude):
            continue
        if tile in listed:
            raise ConfigError(
                f"two images have the tile id '{tile}': {listed[tile].image} and {root.join(image)}",
                "one image a tile id",
                f"make data.tile_id ('{options.tile_id}') use all names of data.images ('{options.images}')",
            )
        masks = options.labels if isinstance(options.labels, dict) else {}
        listed[tile] = ListedTile(
            tile=tile,
            image=root.join(image),
            label="" if masks else root.join(fill(str(options.labels), fields)),
            masks={name: root.join(fill(pattern, fields)) for name, pattern in masks.items()},
            rasters={name: root.join(fill(pattern, fields)) for name, pattern in options.rasters.items()},
            ignore=root.join(fill(options.ignore, fields)) if options.ignore else "",
            date=_date(options, fields, image),
        )
    return list(listed.values())


def _date(options: DataOptions, fields: dict[str, str], image: str) -> str:
    try:
        return iso_date(fill(options.date or "", fields))
    except ValueError as error:
        raise ConfigError(
            f"{image}: {error} (data.date is '{options.date}')",
            "fields of the file name that make a date",
            "correct data.date, for instance '{year}-{month}-{day}'",
        ) from error


def _refuse_unmatched(options: DataOptions, tiles: Sequence[str]) -> None:
    """A tile id in a split that no image has is a typing error, or a missing file: never pass over it in silence."""
    for split, patterns in options.patterns.items():
        for pattern in patterns:
            if not any(matches(tile, [pattern]) for tile in tiles):
                raise MissingFileError(
                    f"data.splits.{split} names '{pattern}', but no image matches it",
                    f"one of the tiles found: {', '.join(sorted(tiles)[:10])}",
                    "add the image, or take the id out of the split",
                )


def _refuse_missing(listed: Sequence[ListedTile], root: TileRoot) -> None:
    wanted = []
    for tile in listed:
        kinds = {"image": tile.image, "label": tile.label, "ignore raster": tile.ignore}
        kinds |= {f"mask of {name}": path for name, path in tile.masks.items()}
        kinds |= {f"raster {name}": path for name, path in tile.rasters.items()}
        wanted += [(tile.tile, kind, path) for kind, path in kinds.items() if path]
    for _, _, path in wanted:
        refuse_unmarked(path)
    missing = root.missing(path for _, _, path in wanted)
    for tile_id, kind, path in wanted:
        if path in missing:
            raise MissingFileError(
                f"tile {tile_id} has no {kind}: {path} does not exist",
                "one for every tile",
                "add the file, correct its path or pattern, or leave the tile out (data.exclude)",
            )


def _refuse_missing_area(options: DataOptions, root: TileRoot) -> None:
    area = root.join(expanded(options.area_of_interest)) if options.area_of_interest else ""
    refuse_unmarked(area)
    if area and root.missing([area]):
        raise MissingFileError(
            f"there is no area of interest: {area} does not exist",
            "a vector file with polygons",
            "correct data.area_of_interest",
        )


def _remedy_for_an_empty_split(options: DataOptions, split: str) -> str:
    if options.blocks is not None:
        return "give data.blocks a smaller size_px, fewer folds or another seed"
    if options.shares:
        return f"few tiles do not fill every share: list tiles under data.splits.{split} instead"
    return f"list tiles under data.splits.{split}"
