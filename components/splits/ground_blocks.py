"""Ground blocks: one large tile cut into squares that go to different splits, with a buffer between them.

    fold = rank of the block among the tile's blocks, in a seeded order, modulo `folds`     (pattern: folds)
    fold = (row + column) modulo `folds`                                                    (pattern: checkerboard)

Neighbouring pixels show the same roof. So train blocks give way: each loses the `buffer_px` pixels on those sides, or
on one side of those corners, where it meets a block of eval or test. Eval and test keep all their pixels.
What is left of a train block must still hold a patch: between two others that is `size_px - 2 * buffer_px`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from pydantic import Field, model_validator

from components.errors import ConfigError
from components.geo.window import Window
from components.options import Options
from components.splits.hashing import unit_interval
from components.tile_source import Split, TileSource

_BLOCK_NAME = re.compile(r"/r(\d+)c(\d+)$")


class BlockOptions(Options):
    """How tiles are cut into blocks, and which split each block goes to.

    Raises:
        pydantic.ValidationError: On folds that do not exist, are in two splits, or leave none to train.
    """

    size_px: int = Field(ge=16)
    """Side of a block, in tile pixels; a multiple of `patches.size * patches.downsample` wastes nothing."""
    pattern: Literal["folds", "checkerboard"] = "folds"
    """Deals blocks to folds by chance, or as row + column says."""
    folds: int = Field(default=5, ge=2)
    """Into how many folds the blocks are dealt; they are numbered from 0."""
    eval: tuple[int, ...] = Field(min_length=1)
    """Folds of the split eval."""
    test: tuple[int, ...] = ()
    """Folds of the split test; all others are train."""
    buffer_px: int = Field(default=0, ge=0)
    """At least so many pixels lie between any pixel of train and any of eval or test."""
    seed: int = 0
    """Deals the blocks anew, with the pattern `folds`."""

    @model_validator(mode="after")
    def _folds_fit_together(self) -> "BlockOptions":
        held_out = self.eval + self.test
        unknown = [fold for fold in held_out if not 0 <= fold < self.folds]
        if unknown:
            raise ValueError(f"there is no fold {unknown[0]}: {self.folds} folds are numbered 0 to {self.folds - 1}")
        if len(set(held_out)) != len(held_out):
            raise ValueError(f"a fold is given twice: eval {list(self.eval)}, test {list(self.test)}")
        if len(held_out) == self.folds:
            raise ValueError("no fold is left for train")
        if 2 * self.buffer_px > self.size_px:
            raise ValueError(f"buffer_px {self.buffer_px} is more than half of size_px {self.size_px}")
        return self

    def check_patch(self, side_px: int) -> None:
        """Whether a block holds a patch, and a train block also between two others.

        Args:
            side_px: Side of a patch, in tile pixels.

        Raises:
            ValueError: If not.
        """
        if self.size_px < side_px:
            raise ValueError(
                f"a patch is {side_px} tile pixels a side (patches.size x patches.downsample) and no block of "
                f"data.blocks.size_px {self.size_px} holds one; give size_px at least {side_px}, or smaller patches"
            )
        left = self.size_px - 2 * self.buffer_px
        if left < side_px:
            raise ValueError(
                f"data.blocks.buffer_px {self.buffer_px} on both sides leaves {left} of the {self.size_px} pixels "
                f"(size_px) of a train block, and a patch is {side_px} tile pixels a side (patches.size x "
                f"patches.downsample); give buffer_px at most {(self.size_px - side_px) // 2}, size_px at least "
                f"{side_px + 2 * self.buffer_px}, or smaller patches"
            )

    def split_of(self, fold: int) -> Split:
        """The split that a fold goes to."""
        return "eval" if fold in self.eval else "test" if fold in self.test else "train"


@dataclass(frozen=True)
class Block:
    """A block of a tile: its place in the grid of blocks, its pixels, and the split that the rule gives it."""

    row: int
    col: int
    window: Window
    split: Split

    @property
    def name(self) -> str:
        """`r2c3`: the block's part of the tile id."""
        return f"r{self.row}c{self.col}"


def plan_blocks(tile: str, height: int, width: int, options: BlockOptions) -> list[Block]:
    """The blocks of a tile, row by row; they cover it without overlap.

    Blocks are counted from the upper left. What is left over at the bottom and on the right is a block of its own where
    it is at least half of one, and else belongs to the last whole one.

    Args:
        tile: The tile's id.
        height, width: Of the tile, in pixels.
        options: Size and pattern.
    """
    rows, cols = _cuts(height, options.size_px), _cuts(width, options.size_px)
    places = list(product(range(len(rows)), range(len(cols))))
    if options.pattern == "checkerboard":
        folds = {place: sum(place) % options.folds for place in places}
    else:
        dealt = sorted(places, key=lambda place: unit_interval(options.seed, tile, *place))
        # Each tile starts at a fold of its own; else tiles of one block each would all be in fold 0.
        first = int(unit_interval(options.seed, tile) * options.folds)
        folds = {place: (first + rank) % options.folds for rank, place in enumerate(dealt)}
    blocks = []
    for row, col in places:
        (top, height), (left, width) = rows[row], cols[col]
        blocks.append(Block(row, col, Window(top, left, height, width), options.split_of(folds[row, col])))
    return blocks


def buffered(blocks: Sequence[Block], splits: Mapping[str, Split], buffer_px: int) -> dict[str, Window]:
    """What is left of each block when train keeps its distance.

    Args:
        blocks: All blocks of one tile.
        splits: Block name -> split; it overrides the blocks' own.
        buffer_px: Pixels between train and the others; at most half of a block.

    Returns:
        Block name -> window; a block of train of which nothing is left is not in it.
    """
    at = {(block.row, block.col): splits[block.name] for block in blocks}
    areas = {}
    for block in blocks:
        area: Window | None = block.window
        if splits[block.name] == "train" and buffer_px:
            foreign = {
                (down, right)
                for down, right in product((-1, 0, 1), repeat=2)
                if at.get((block.row + down, block.col + right), "train") != "train"
            }
            area = _retreat(block.window, foreign, buffer_px)
        if area is not None:
            areas[block.name] = area
    return areas


def refuse_narrow(sources: Sequence[TileSource], options: BlockOptions, side_px: int) -> None:
    """Refuses train blocks at a tile's lower or right rim that the buffer leaves too narrow for a patch.

    What is left over there may be half a block, which no configuration can know before the tile is opened.

    Args:
        sources: The blocks of all tiles.
        options: As they were cut; `BlockOptions.check_patch` has passed.
        side_px: Side of a patch, in tile pixels.

    Raises:
        ConfigError: If there are any; it names them as `data.exclude` wants them.
    """
    narrow = [source for source in sources if source.split == "train" and _is_narrowed(source, options, side_px)]
    if not narrow:
        return
    area, names = narrow[0].area, ", ".join(f'"{source.tile}"' for source in narrow[:10])
    found = f"{area.height} x {area.width} pixels (height x width)" if area else "little"
    raise ConfigError(
        f"data.blocks.buffer_px {options.buffer_px} leaves {found} of block {narrow[0].tile} at the rim of its tile, "
        f"and a patch is {side_px} tile pixels a side; there are {len(narrow)} such train block(s)",
        "train blocks that hold a patch",
        f"leave them out (data.exclude: [{names}{', ...' if len(narrow) > 10 else ''}]), or change size_px or "
        "buffer_px of data.blocks",
    )


def _is_narrowed(source: TileSource, options: BlockOptions, side_px: int) -> bool:
    """Whether a block at the lower or right rim is narrower than a patch, and was wider before it gave way."""
    place, area = _BLOCK_NAME.search(source.tile), source.area
    if place is None or area is None:
        return False
    top, left = (int(part) * options.size_px for part in place.groups())
    return (area.height < side_px and area.row > top) or (area.width < side_px and area.col > left)


def _cuts(length: int, size: int) -> list[tuple[int, int]]:
    """(start, length) of each block along one side."""
    count = max(1, (length + size // 2) // size)
    return [(i * size, size if i < count - 1 else length - i * size) for i in range(count)]


def _retreat(window: Window, foreign: set[tuple[int, int]], buffer_px: int) -> Window | None:
    """The largest part of a window that is `buffer_px` away from its foreign neighbours (down, right in -1, 0, 1)."""
    best: Window | None = None
    for top, bottom, left, right in product((False, True), repeat=4):
        given_up = {(-1, 0): top, (1, 0): bottom, (0, -1): left, (0, 1): right}
        # From a neighbour across a corner, one of the two sides is enough.
        if not all(given_up.get((y, 0), False) or given_up.get((0, x), False) for y, x in foreign):
            continue
        height = window.height - buffer_px * (top + bottom)
        width = window.width - buffer_px * (left + right)
        if height > 0 and width > 0 and (best is None or height * width > best.height * best.width):
            best = Window(window.row + buffer_px * top, window.col + buffer_px * left, height, width)
    return best
