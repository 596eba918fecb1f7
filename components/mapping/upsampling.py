"""Brings blended scores from the patches' grid back to the tile's own, which is `downsample` times finer.

Pixel centres: fine pixel i lies at (i + 1/2) / factor - 1/2 in coarse pixels, held to the range of their centres.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 32
"""Fine rows worked on at the same time: bounds memory at 32 * width * K * 4 bytes a temporary."""


def interpolation(length: int, coarse_length: int, factor: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where fine pixels lie between coarse ones along one axis.

    Returns:
        For each of `length` fine pixels the lower coarse index, and the weight 0 to 1 of the one above it.
    """
    place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, coarse_length - 1)
    lower = np.minimum(place.astype(np.intp), max(0, coarse_length - 2))
    return lower, (place - lower).astype(np.float32)


def first_coarse_row(row: int, coarse_height: int, factor: int) -> int:
    """The first coarse row that fine rows from `row` on depend on."""
    return min(max(0, math.floor((row + 0.5) / factor - 0.5)), max(0, coarse_height - 2))


class RowUpsampler:
    """Bilinear interpolation of rows that come strip by strip.

    Args:
        shape: (height, width) of the tile.
        coarse_shape: (height, width) of the scores.
        factor: Tile pixels a side of one score pixel, at least 2.
        first_row: The first fine row that is wanted; coarse rows start at its `first_coarse_row`.
    """

    def __init__(self, shape: tuple[int, int], coarse_shape: tuple[int, int], factor: int, first_row: int = 0) -> None:
        self._factor = factor
        self._height, self._width = shape
        self._coarse_height = coarse_shape[0]
        self._lower_row, self._row_weight = interpolation(shape[0], coarse_shape[0], factor)
        self._coarse: NDArray[np.float32] | None = None
        self._coarse_top = first_coarse_row(first_row, coarse_shape[0], factor)
        self._next_row = first_row

    def add(self, scores: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Takes the next coarse rows `(K, rows, coarse_width)`; yields the fine `(K, rows, width)` they complete."""
        coarse = scores if self._coarse is None else np.concatenate([self._coarse, scores], axis=1)
        bottom = self._coarse_top + coarse.shape[1]
        last = self._height if bottom == self._coarse_height else self._first_row_beyond(bottom)
        while self._next_row < last:
            stop = min(last, self._next_row + _ROWS_AT_ONCE)
            yield self._fine_rows(coarse, slice(self._next_row, stop))
            self._next_row = stop
        keep = max(0, coarse.shape[1] - 1)
        self._coarse = coarse[:, keep:].copy()  # the caller overwrites its rows
        self._coarse_top += keep

    def _first_row_beyond(self, bottom: int) -> int:
        """The first fine row that lies beyond the centre of coarse row `bottom - 1`, the last one known."""
        return max(self._next_row, math.ceil(self._factor * (bottom - 0.5) - 0.5))

    def _fine_rows(self, coarse: NDArray[np.float32], rows: slice) -> NDArray[np.float32]:
        lower = self._lower_row[rows] - self._coarse_top
        upper = np.minimum(lower + 1, coarse.shape[1] - 1)
        down = self._row_weight[rows, None]
        # One column more before the first, and enough after the last for a tile that is no multiple of the factor.
        columns = np.empty((len(coarse), len(lower), coarse.shape[2] + 3), np.float32)
        columns[..., 1:-2] = coarse[:, lower] * (1 - down) + coarse[:, upper] * down
        columns[..., 0] = columns[..., 1]
        columns[..., -2:] = columns[..., -3, None]
        fine = np.empty((len(coarse), len(lower), self._width), np.float32)
        for phase in range(min(self._factor, self._width)):
            # All columns that lie at the same place between their neighbours: slices, where looking each column's
            # neighbours up takes several times as long.
            place = (phase + 0.5) / self._factor + 0.5
            left = math.floor(place)
            across = np.float32(place - left)
            count = len(range(phase, self._width, self._factor))
            columns_left, columns_right = columns[..., left : left + count], columns[..., left + 1 : left + 1 + count]
            fine[..., phase :: self._factor] = columns_left * (1 - across) + columns_right * across
        return fine
