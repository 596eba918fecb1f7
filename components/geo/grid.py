"""The grid of patch windows over a tile; `components.geo.mosaic` is its inverse.

One axis of `length` pixels, cut into windows of `size` pixels every `stride` pixels, starts at
`0, stride, 2 * stride, ...` while a whole window fits; if pixels are left over, one more window starts at
`length - size` (edges `shift`), or goes on with the stride and reaches past the end (edges `reflect`; readers fill it
with the mirrored tile). A tile shorter than `size` gets one window that reaches past its edge; readers pad it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.geo.window import Window


@dataclass(frozen=True)
class GridCell:
    """A window of the grid and the part of it that no earlier window has covered.

    Attributes:
        window: The window, always `size x size` pixels, perhaps reaching past the tile's lower or right edge.
        fresh_row: First row, counted from the window's own top, that no window above has covered.
        fresh_col: First column, counted from the window's own left, that no window to the left has covered.

    The fresh parts of all cells, cut to the tile, cover every pixel of the tile exactly once.
    """

    window: Window
    fresh_row: int
    fresh_col: int


Edges = Literal["shift", "reflect"]


def axis_starts(length: int, size: int, stride: int, edges: Edges = "shift") -> list[int]:
    """First pixels of the windows along one axis, in pixels, ascending.

    Raises:
        ValueError: If a number is not positive, or the stride leaves gaps (`stride > size`).
    """
    if min(length, size, stride) <= 0:
        raise ValueError(f"length, size and stride must be positive, received {length}, {size}, {stride}")
    if stride > size:
        raise ValueError(f"a stride of {stride} px leaves gaps between windows of {size} px; use at most {size}")
    if length <= size:
        return [0]
    if edges == "reflect":
        return list(range(0, length - size + stride, stride))
    starts = list(range(0, length - size + 1, stride))
    if starts[-1] + size < length:
        starts.append(length - size)
    return starts


def grid_rows(height: int, width: int, size: int, stride: int, edges: Edges = "shift") -> Iterator[list[GridCell]]:
    """The cells of a tile of `height x width` pixels, one list a row of windows, top to bottom."""
    covered_rows = 0
    for row in axis_starts(height, size, stride, edges):
        cells = []
        covered_cols = 0
        for col in axis_starts(width, size, stride, edges):
            cells.append(GridCell(Window(row, col, size, size), covered_rows - row, covered_cols - col))
            covered_cols = col + size
        yield cells
        covered_rows = row + size
