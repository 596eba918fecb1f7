"""Counts what a label raster holds: pixels per class, void, and colours off the palette with their places."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID
from components.geo.labels import LabelReader
from components.geo.raster import Grid
from components.geo.window import Window

STRIP_ROWS = 1024
MOST_COLORS = 5
"""How many colours off the palette are named for one tile."""


@dataclass(frozen=True)
class UnknownColor:
    """A colour off the palette: how often it was seen, and first where (row, col)."""

    color: tuple[int, int, int]
    pixels: int
    row: int
    col: int


@dataclass(frozen=True)
class LabelTally:
    """What one label raster holds.

    Attributes:
        pixels: All pixels.
        by_class: Pixels of each class, in id order.
        void: Pixels of a void colour.
        unknown: Pixels of a colour off the palette.
        unknown_colors: The most frequent of those colours, at most `MOST_COLORS`, most frequent first.
    """

    pixels: int
    by_class: tuple[int, ...]
    void: int
    unknown: int
    unknown_colors: tuple[UnknownColor, ...] = field(default=())


def tally_label(label: LabelReader, grid: Grid, class_count: int) -> LabelTally:
    """Reads a tile's labels once, strip by strip, at full resolution.

    Raises:
        EosegError: If they cannot be read.
    """
    counts = np.zeros(256, np.int64)
    colors: dict[int, UnknownColor] = {}
    height, width = grid.height, grid.width
    for row in range(0, height, STRIP_ROWS):
        window = Window(row, 0, min(STRIP_ROWS, height - row), width)
        ids = label.read(window)
        strip_counts = np.bincount(ids.ravel(), minlength=256)
        counts += strip_counts
        if strip_counts[UNKNOWN_ID]:
            _collect(colors, label.read_colors(window), ids == UNKNOWN_ID, row)
    frequent = sorted(colors.values(), key=lambda c: (-c.pixels, c.color))[:MOST_COLORS]
    return LabelTally(
        pixels=height * width,
        by_class=tuple(int(n) for n in counts[:class_count]),
        void=int(counts[VOID_ID]),
        unknown=int(counts[UNKNOWN_ID]),
        unknown_colors=tuple(frequent),
    )


def _collect(
    seen: dict[int, UnknownColor], colors: NDArray[np.uint8], unknown: NDArray[np.bool_], first_row: int
) -> None:
    """Adds a strip's unknown colours to `seen`, keyed by the packed colour."""
    rows, cols = np.nonzero(unknown)
    red, green, blue = (colors[rows, cols, i].astype(np.int64) for i in range(3))
    packed, first, pixels = np.unique(red << 16 | green << 8 | blue, return_index=True, return_counts=True)
    for key, i, count in zip(packed.tolist(), first.tolist(), pixels.tolist(), strict=True):
        known = seen.get(key)
        if known is not None:
            seen[key] = UnknownColor(known.color, known.pixels + count, known.row, known.col)
        else:
            color = (key >> 16, key >> 8 & 255, key & 255)
            seen[key] = UnknownColor(color, count, int(rows[i]) + first_row, int(cols[i]))
