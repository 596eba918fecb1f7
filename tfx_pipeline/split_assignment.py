"""Which split each tile is in: by its list, by `data.splits`, by ground blocks, or as the registry froze it."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigError
from components.geo.bands import IMAGE
from components.geo.image import open_image
from components.geo.window import Window
from components.splits.ground_blocks import BlockOptions, buffered, plan_blocks
from components.splits.hashing import split_by_share
from components.splits.registry import Registry, load_registry, save_registry
from components.tile_source import Split, TileSource
from tfx_pipeline.data_options import REST, DataOptions, ListedTile
from tfx_pipeline.tile_root import expanded

_BLOCK_ID = re.compile(r"(.+)/r\d+c\d+")


@dataclass(frozen=True)
class Assignment:
    """Tiles with their splits, and the registry as it will be once they are taken."""

    sources: list[TileSource]
    registry: Registry
    path: Path | None

    def freeze(self) -> None:
        """Writes the registry, where one is configured and something is new."""
        if self.path is None:
            return
        there = load_registry(self.path)  # what another run has written meanwhile stays
        merged = there.with_new(self.registry.splits, self.registry.block_size_px)
        if merged != there:
            save_registry(self.path, merged)


def assign_splits(listed: Sequence[ListedTile], options: DataOptions) -> Assignment:
    """Gives every tile its split; cuts tiles into blocks where `options.blocks` says so.

    Raises:
        ConfigError: If a tile is in no split, in two, or in another than the registry has it in.
        EosegError: If the image of a tile that is to be cut cannot be opened.
    """
    path = Path(expanded(options.split_registry)) if options.split_registry else None
    frozen = load_registry(path) if path else Registry()
    if path is not None:
        _refuse_other_cutting(listed, options.blocks, frozen, path)
    if options.blocks is not None:
        splits, sources = _by_blocks(listed, options, options.blocks, frozen)
        return Assignment(sources, frozen.with_new(splits, options.blocks.size_px), path)
    splits = {}
    unlisted = []
    for tile in listed:
        split = _split_of(tile, options, frozen, path)
        if split is None:
            unlisted.append(tile.tile)
        else:
            splits[tile.tile] = split
    if unlisted:
        raise ConfigError(
            f"{len(unlisted)} tile(s) are in no split: {', '.join(unlisted[:10])}",
            "every tile in a split or in data.exclude",
            "list them under data.splits (one split may say `rest`) or under data.exclude",
        )
    return Assignment([_source(tile, splits[tile.tile]) for tile in listed], frozen.with_new(splits), path)


def matches(tile: str, patterns: Sequence[str]) -> bool:
    """Whether a tile's id is one of the ids or fits one of the shell patterns."""
    return any(tile == pattern or fnmatch.fnmatchcase(tile, pattern) for pattern in patterns)


def _split_of(tile: ListedTile, options: DataOptions, frozen: Registry, path: Path | None) -> Split | None:
    said: dict[Split, str] = {split: f"data.splits.{split}" for split in options.patterns}
    said = {split: place for split, place in said.items() if matches(tile.tile, options.patterns[split])}
    if tile.split is not None:
        said.setdefault(tile.split, "the tile list")
    if len(said) > 1:
        raise ConfigError(
            f"tile {tile.tile} is in the splits {' and '.join(said)} (by {' and '.join(said.values())})",
            "one split a tile: what is trained on must not be evaluated on",
            "correct data.splits",
        )
    kept = frozen.splits.get(tile.tile)
    for split, place in said.items():
        if kept is not None and kept != split:
            raise ConfigError(
                f"tile {tile.tile} is in {split} by {place}, but {path} froze it in {kept}",
                "a tile that stays where it was: figures of one test set are comparable, and nothing is tested that "
                "was trained on",
                f"put it in {kept}, or, if it must move, take its line out of {path}",
            )
        return split
    if kept is not None:
        return kept
    if options.shares:
        return split_by_share(tile.tile, options.shares)
    return next((split for split, rule in options.splits.items() if rule == REST), None)


def _by_blocks(
    listed: Sequence[ListedTile], options: DataOptions, blocks: BlockOptions, frozen: Registry
) -> tuple[dict[str, Split], list[TileSource]]:
    splits: dict[str, Split] = {}
    sources = []
    for tile in listed:
        if tile.split is not None:
            raise ConfigError(
                f"tile {tile.tile} is listed in {tile.split}, but data.blocks cuts it into blocks of all splits",
                "either blocks or a split for each tile",
                "take data.blocks out, or the split column",
            )
        with open_image({IMAGE: tile.image, **tile.rasters}, options.band_set) as image:
            height, width = image.height, image.width
        planned = plan_blocks(tile.tile, height, width, blocks)
        by_name: dict[str, Split] = {
            block.name: frozen.splits.get(f"{tile.tile}/{block.name}", block.split) for block in planned
        }
        for name, area in buffered(planned, by_name, blocks.buffer_px).items():
            if not matches(f"{tile.tile}/{name}", options.exclude):
                sources.append(_source(tile, by_name[name], name, area))
        splits |= {f"{tile.tile}/{name}": split for name, split in by_name.items()}
    return splits, sources


def _refuse_other_cutting(
    listed: Sequence[ListedTile], blocks: BlockOptions | None, frozen: Registry, path: Path
) -> None:
    """A registry is of no use to tiles that are now cut in another way: its names would mean other ground."""
    if blocks is not None and frozen.block_size_px not in (None, blocks.size_px):
        raise ConfigError(
            f"{path} froze blocks of {frozen.block_size_px} pixels, data.blocks.size_px is {blocks.size_px}",
            "blocks of the same size: `r2c3` would be other ground",
            f"set data.blocks.size_px to {frozen.block_size_px}, or begin a new registry",
        )
    cut = {match.group(1) for match in map(_BLOCK_ID.fullmatch, frozen.splits) if match} - set(frozen.splits)
    other, was, now, remedy = cut, "in blocks", "as a whole", "give data.blocks"
    if blocks is not None:
        other, was, now, remedy = set(frozen.splits), "as a whole", "in blocks", "take data.blocks out"
    changed = next((tile.tile for tile in listed if tile.tile in other), None)
    if changed is not None:
        raise ConfigError(
            f"{path} froze tile {changed} {was}, and now it is taken {now}",
            "tiles cut as they were: what was trained on could be tested on",
            f"{remedy}, or begin a new registry",
        )


def _source(tile: ListedTile, split: Split, block: str = "", area: Window | None = None) -> TileSource:
    return TileSource(
        tile=f"{tile.tile}/{block}" if block else tile.tile,
        image=tile.image,
        rasters=tile.rasters,
        label=tile.label,
        masks=tile.masks,
        ignore=tile.ignore,
        split=split,
        area=area,
        date=tile.date,
    )
