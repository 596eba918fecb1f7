"""Rows of patches, summed with their weights, become rows of the tile.

All arrays are class by class, `(K, rows, width)`: NumPy then works on long runs of memory. With the classes last, as
patches come from the network, summing took three times and finding the best class twelve times as long.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.mapping.patch_axis import PatchAxis

_ROWS_AT_ONCE = 32


class Sums(NamedTuple):
    """Weighted sums of scores.

    Attributes:
        scores: `(K, rows, width)` float32, 0 to 255 times the weight.
        weights: `(rows, width)` float32, positive: what to divide by.
    """

    scores: NDArray[np.float32]
    weights: NDArray[np.float32]


class RowBlender:
    """Sums rows of patches and gives out the tile's rows once no later patch can change them.

    Args:
        rows: The vertical axis.
        cols: The horizontal axis.
        classes: Scores a pixel.
        first_row: The first tile row that is wanted; what patches have to say about those above is dropped.
        times: How often each patch is added (once for every turn of it).
    """

    def __init__(self, rows: PatchAxis, cols: PatchAxis, classes: int, first_row: int = 0, times: int = 1) -> None:
        self._rows = rows
        self._cols = cols
        self._times = times
        self._sums = np.zeros((classes, rows.size, cols.length), np.float32)
        self._weighted = np.empty((classes, rows.size, rows.size), np.float32)
        self._top = first_row
        """The tile row of the first row of `_sums`."""

    def add(self, row: int, col: int, scores: NDArray[np.uint8]) -> None:
        """Adds a patch of the current row of patches.

        Args:
            row, col: The patch's start.
            scores: `(size, size, K)` uint8.
        """
        on_rows, in_rows = self._rows.inside(row)
        on_cols, in_cols = self._cols.inside(col)
        above = max(0, self._top - on_rows.start)
        in_rows = slice(in_rows.start + above, in_rows.stop)
        weights = np.outer(self._rows.weights[in_rows], self._cols.weights[in_cols])
        weighted = self._weighted[:, : weights.shape[0], : weights.shape[1]]
        np.multiply(scores[in_rows, in_cols].transpose(2, 0, 1), weights, out=weighted)
        first = on_rows.start + above - self._top
        self._sums[:, first : first + weights.shape[0], on_cols] += weighted

    def finish(self, next_row: int | None) -> Iterator[Sums]:
        """Yields the sums of the tile rows that are complete, a few at a time, top to bottom.

        The arrays are overwritten later, and all must be taken before the next patch is added.

        Args:
            next_row: Where the next row of patches starts; None after the last one.
        """
        last = self._rows.length if next_row is None else min(max(0, next_row), self._rows.length)
        count = last - self._top
        if count <= 0:
            return
        for start in range(0, count, _ROWS_AT_ONCE):
            sums = self._sums[:, start : min(count, start + _ROWS_AT_ONCE)]
            first = self._top + start
            rows = self._times * self._rows.total[first : first + sums.shape[1]]
            weights: NDArray[np.float32] = np.outer(rows, self._cols.total)
            yield Sums(sums, weights)
        kept = self._sums.shape[1] - count
        for start in range(0, kept, count):  # in steps that do not overlap what they are copied from
            stop = min(kept, start + count)
            self._sums[:, start:stop] = self._sums[:, start + count : stop + count]
        self._sums[:, max(0, kept) :] = 0
        self._top = last
