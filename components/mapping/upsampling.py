"""Brings blended scores from the patches' grid back to the tile's own, which is `downsample` times finer."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 64
"""Fine rows worked on at the same time: bounds memory at 64 * width * K * 4 bytes a temporary."""


def interpolation(length: int, coarse_length: int, factor: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where fine pixels lie between coarse ones along one axis.

    Pixel centres: fine pixel i lies at (i + 1/2) / factor - 1/2 in coarse pixels, held to the range of their centres.

    Returns:
        For each of `length` fine pixels the lower coarse index, and the weight 0 to 1 of the one above it.
    """
    place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, coarse_length - 1)
    lower = np.minimum(place.astype(np.intp), max(0, coarse_length - 2))
    return lower, (place - lower).astype(np.float32)


class RowUpsampler:
    """Bilinear interpolation of rows that come strip by strip.

    Args:
        shape: (height, width) of the tile.
        coarse_shape: (height, width) of the scores.
        factor: Tile pixels a side of one score pixel; 1 passes rows through.
    """

    def __init__(self, shape: tuple[int, int], coarse_shape: tuple[int, int], factor: int) -> None:
        self._factor = factor
        self._height = shape[0]
        self._coarse_height = coarse_shape[0]
        self._lower_row, self._row_weight = interpolation(shape[0], coarse_shape[0], factor)
        self._lower_col, self._col_weight = interpolation(shape[1], coarse_shape[1], factor)
        self._coarse: NDArray[np.float32] | None = None
        self._coarse_top = 0
        self._next_row = 0

    def add(self, scores: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Takes the next coarse rows `(rows, coarse_width, K)`; yields the fine `(rows, width, K)` they complete."""
        if self._factor == 1:
            if len(scores):
                yield scores
            return
        coarse = scores if self._coarse is None else np.concatenate([self._coarse, scores])
        bottom = self._coarse_top + len(coarse)
        last = self._height if bottom == self._coarse_height else self._first_row_beyond(bottom)
        while self._next_row < last:
            stop = min(last, self._next_row + _ROWS_AT_ONCE)
            yield self._fine_rows(coarse, slice(self._next_row, stop))
            self._next_row = stop
        keep = max(0, len(coarse) - 1)
        self._coarse = coarse[keep:].copy()  # the caller overwrites its rows
        self._coarse_top += keep

    def _first_row_beyond(self, bottom: int) -> int:
        """The first fine row that lies beyond the centre of coarse row `bottom - 1`, the last one known."""
        return max(self._next_row, math.ceil(self._factor * (bottom - 0.5) - 0.5))

    def _fine_rows(self, coarse: NDArray[np.float32], rows: slice) -> NDArray[np.float32]:
        lower = self._lower_row[rows] - self._coarse_top
        upper = np.minimum(lower + 1, len(coarse) - 1)
        down = self._row_weight[rows, None, None]
        columns = coarse[lower] * (1 - down) + coarse[upper] * down
        left = self._lower_col
        right = np.minimum(left + 1, coarse.shape[1] - 1)
        across = self._col_weight[None, :, None]
        fine: NDArray[np.float32] = columns[:, left] * (1 - across) + columns[:, right] * across
        return fine
