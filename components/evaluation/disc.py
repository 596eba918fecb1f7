"""What holds within a disc around each pixel: the largest, the smallest, the union."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 64
"""Rows of a strip: of a tile 6000 pixels wide, the three buffers stay in the processor's cache."""


def over_disc(values: NDArray, radius: int, combine: np.ufunc, neutral: int) -> NDArray:
    """Combines, for each pixel, the values at a distance of at most `radius` pixels from it.

    A disc is a stack of rows: of half-width floor(sqrt(radius^2 - dy^2)) at dy rows from the middle. The combination
    over a row of half-width k is that over half-width k - 1 with one more pixel at each end, so all rows together cost
    4 * radius + 1 operations a pixel, not pi * radius^2, and each of them is one vectorised call.

    Args:
        values: `(height, width)`.
        radius: In pixels; 0 gives the values themselves. A disc of 3 pixels holds 29.
        combine: `np.maximum`, `np.minimum` or `np.bitwise_or`.
        neutral: What `combine` leaves others unchanged with; it stands outside the array.

    Returns:
        `(height, width)`, of the same dtype.

    Raises:
        ValueError: If the radius is negative.
    """
    if radius < 0:
        raise ValueError(f"a disc has a radius of at least 0 pixels, received {radius}")
    result = np.empty_like(values)
    height, width = values.shape
    for start in range(0, height, _ROWS_AT_ONCE):
        stop = min(height, start + _ROWS_AT_ONCE)
        first, last = max(0, start - radius), min(height, stop + radius)
        strip = np.full((stop - start + 2 * radius, width + 2 * radius), neutral, values.dtype)
        top = radius - (start - first)
        strip[top : top + last - first, radius : radius + width] = values[first:last]
        _combine_strip(strip, result[start:stop], radius, combine)
    return result


def _combine_strip(strip: NDArray, result: NDArray, radius: int, combine: np.ufunc) -> None:
    height, width = result.shape
    row = strip[:, radius : radius + width].copy()
    result[...] = row[radius : radius + height]
    for half_width in range(radius + 1):
        if half_width:
            combine(row, strip[:, radius - half_width : radius - half_width + width], out=row)
            combine(row, strip[:, radius + half_width : radius + half_width + width], out=row)
        for offset in range(radius + 1):
            if isqrt(radius * radius - offset * offset) == half_width:
                combine(result, row[radius - offset : radius - offset + height], out=result)
                combine(result, row[radius + offset : radius + offset + height], out=result)
