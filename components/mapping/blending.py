"""Overlapping patches and how their scores become one: weights along one axis, and rows of patches summed.

Where patches overlap, the score of a pixel is the weighted mean of theirs. The weight of a patch's pixel is w(row) *
w(col), so the sum of the weights over all patches is a product too, and one vector an axis is enough to divide by.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.geo.grid import axis_starts

Blend = Literal["hann", "flat", "centre"]
_ROWS_AT_ONCE = 32
BLENDS: tuple[Blend, ...] = ("hann", "flat", "centre")


def patch_weights(size: int, margins: tuple[int, int], blend: Blend) -> NDArray[np.float32]:
    """Weights along one axis of a patch, `(size,)` float32, none negative.

    `hann` falls smoothly towards the patch's edges, where the network sees least around it, and is never quite zero:
    sin^2(pi * (i + 1/2) / size). `flat` is 1 everywhere. `centre` is 1 but for the margins, where it is 0.

    Args:
        size: Pixels.
        margins: Pixels before and after the centre.
        blend: Which weights.
    """
    if blend == "hann":
        hann: NDArray[np.float32] = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2).astype(np.float32)
        return hann
    weights = np.ones(size, np.float32)
    if blend == "centre":
        weights[: margins[0]] = 0
        weights[size - margins[1] :] = 0
    return weights


@dataclass(frozen=True)
class PatchAxis:
    """Where patches lie along one axis of a tile, and what their pixels weigh.

    Attributes:
        length: Pixels of the tile.
        size: Pixels of a patch.
        starts: First pixel of each patch; negative and beyond the end where patches reach past the tile.
        weights: `(size,)` float32, of each patch.
        total: `(length,)` float32, the sum of all patches' weights at each pixel; positive everywhere.
    """

    length: int
    size: int
    starts: tuple[int, ...]
    weights: NDArray[np.float32]
    total: NDArray[np.float32]

    def inside(self, start: int) -> tuple[slice, slice]:
        """The part of the patch at `start` that lies on the tile: in tile pixels, and in the patch's own."""
        first, last = max(0, start), min(self.length, start + self.size)
        return slice(first, last), slice(first - start, last - start)


def patch_axis(length: int, size: int, overlap: float, blend: Blend) -> PatchAxis:
    """Lays patches over one axis.

    The stride is `size * (1 - overlap)`, rounded. Patches reach half an overlap past both ends of the tile, so that
    the tile's edge is seen with the same surroundings (reflected) as its interior.

    Args:
        length: Pixels of the tile.
        size: Pixels of a patch.
        overlap: Share of a patch that its successor covers again, 0 to below 1.
        blend: Which weights.

    Raises:
        ValueError: If the overlap is out of range.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be at least 0 and below 1, received {overlap}")
    stride = max(1, min(size, math.floor(size * (1 - overlap) + 0.5)))
    before = (size - stride) // 2
    after = size - stride - before
    starts = tuple(start - before for start in axis_starts(length + before + after, size, stride))
    weights = patch_weights(size, (before, after), blend)
    total = np.zeros(length, np.float32)
    axis = PatchAxis(length, size, starts, weights, total)
    for start in starts:
        on_tile, in_patch = axis.inside(start)
        total[on_tile] += weights[in_patch]
    return axis


def reflected(first: int, last: int, length: int) -> NDArray[np.intp]:
    """Indices `first` to `last` (exclusive) of an axis reflected at its ends: -1 is 1, `length` is `length - 2`.

    The reflection repeats, so an axis of any length fills any range.
    """
    if length == 1:
        return np.zeros(last - first, np.intp)
    period = 2 * (length - 1)
    folded = np.abs(np.arange(first, last)) % period
    indices: NDArray[np.intp] = np.minimum(folded, period - folded).astype(np.intp)
    return indices


class RowBlender:
    """Sums rows of patches and gives out the tile's rows once no later patch can change them.

    Args:
        rows: The vertical axis.
        cols: The horizontal axis.
        classes: Scores a pixel.
    """

    def __init__(self, rows: PatchAxis, cols: PatchAxis, classes: int) -> None:
        self._rows = rows
        self._cols = cols
        self._sums = np.zeros((rows.size, cols.length, classes), np.float32)
        self._top = 0
        """The tile row of the first row of `_sums`."""

    def add(self, row: int, col: int, scores: NDArray[np.uint8]) -> None:
        """Adds a patch of the current row of patches.

        Args:
            row, col: The patch's start.
            scores: `(size, size, K)` uint8.
        """
        on_rows, in_rows = self._rows.inside(row)
        on_cols, in_cols = self._cols.inside(col)
        weights = np.outer(self._rows.weights[in_rows], self._cols.weights[in_cols])
        target = self._sums[on_rows.start - self._top : on_rows.stop - self._top, on_cols]
        target += scores[in_rows, in_cols] * weights[..., None]

    def finish(self, next_row: int | None, *, divide: bool = True) -> Iterator[NDArray[np.float32]]:
        """Yields the blended scores `(rows, width, K)` float32, 0 to 255, of the tile rows that are complete.

        They come a few rows at a time, top to bottom, so that no copy of a whole strip is needed; each array is
        overwritten later, and all must be taken before the next patch is added.

        Args:
            next_row: Where the next row of patches starts; None after the last one.
            divide: False leaves the sums as they are, not divided by the weights: enough to find the best class.
        """
        last = self._rows.length if next_row is None else min(max(0, next_row), self._rows.length)
        count = last - self._top
        for start in range(0, count, _ROWS_AT_ONCE):
            rows = self._sums[start : min(count, start + _ROWS_AT_ONCE)]
            if divide:
                weights = self._rows.total[self._top + start : self._top + start + len(rows)]
                rows /= np.outer(weights, self._cols.total)[..., None]
            yield rows
        kept = len(self._sums) - count
        for start in range(0, kept, count or kept):  # in steps that do not overlap what they are copied from
            stop = min(kept, start + count)
            self._sums[start:stop] = self._sums[start + count : stop + count]
        self._sums[kept:] = 0
        self._top = last
