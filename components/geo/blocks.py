"""Fixed blocks of a tile's grid: what is computed block by block does not depend on the windows that ask for it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.geo.window import Window


def sampled_pixels(window: Window, downsample: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of a window that a read by nearest neighbour takes.

    Of each square of `downsample` pixels it is the pixel right below its middle, as GDAL does; squares that the window
    cuts are left out.
    """
    rows = np.arange(window.row + downsample // 2, window.row_stop - window.height % downsample, downsample)
    cols = np.arange(window.col + downsample // 2, window.col_stop - window.width % downsample, downsample)
    return rows, cols


def runs(rows: NDArray[Any], cols: NDArray[Any], side: int) -> Iterator[tuple[slice, slice]]:
    """Slices of ascending `rows` and of `cols` that lie in one block of `side` pixels, block by block."""
    for row_slice in _runs(rows // side):
        for col_slice in _runs(cols // side):
            yield row_slice, col_slice


def _runs(blocks: NDArray[Any]) -> list[slice]:
    if not len(blocks):
        return []
    cuts = [0, *(np.nonzero(np.diff(blocks))[0] + 1).tolist(), len(blocks)]
    return [slice(a, b) for a, b in pairwise(cuts)]
