"""Radar numbers: speckle filtered, and decibels taken."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def lee_filter(intensity: NDArray[Any], valid: NDArray[np.bool_], size: int, looks: float) -> NDArray[np.float32]:
    """Lee's local-statistics filter for multiplicative speckle.

    With z the intensity, m and s its mean and variance over the valid pixels of the window, and the speckle's relative
    variance v = 1 / looks, the signal's variance is q = max(0, (s + m^2) / (1 + v) - m^2), and the pixel becomes
    m + (z - m) q / (q + v m^2).

    Source: J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE PAMI 2 (1980),
    section V, for a speckle of mean 1.

    Args:
        intensity: `(height, width)`, linear, not in decibels.
        valid: Which pixels count; the others get no value and lend none.
        size: Pixels a side of the window, odd; beyond the array's edges it sees the array reflected.
        looks: Equivalent number of looks.

    Returns:
        `(height, width)` float32, NaN where not valid. A pixel's value depends on the `size` x `size` pixels around it
        alone, to the last bit.
    """
    z = np.where(valid, intensity, 0).astype(np.float64)
    count = _window_sum(valid.astype(np.float64), size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _window_sum(z, size) / count
        square = mean * mean
        variance = _window_sum(z * z, size) / count - square
        speckle = 1.0 / looks
        signal = np.maximum(0.0, (variance + square) / (1 + speckle) - square)
        noise = speckle * square
        weight = np.where(signal > 0, signal / (signal + noise), 0.0)
        filtered = mean + weight * (z - mean)
    filtered[~valid] = np.nan
    return filtered.astype(np.float32)


def decibels(values: NDArray[Any], of: Literal["intensity", "amplitude"]) -> NDArray[np.float32]:
    """10 log10 of an intensity, 20 log10 of an amplitude (its absolute value).

    Returns:
        float32 of the same shape; NaN where there is no logarithm: at zero, at a negative intensity and at NaN.
    """
    linear = np.ascontiguousarray(values, np.float32)
    if of == "amplitude":
        linear = np.abs(linear)
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.log10(linear)
    logarithm[~(linear > 0)] = np.nan
    return logarithm * np.float32(10 if of == "intensity" else 20)


def _window_sum(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sums over `size` x `size` pixels, reflected at the edges.

    `scipy.ndimage.uniform_filter` carries a running sum along each line: its rounding depends on where the line starts,
    that is on how a tile was cut into windows. A correlation adds the same numbers in the same order everywhere.
    """
    from scipy.ndimage import correlate1d  # 0.1 s, and only radar needs it

    ones = np.ones(size)
    rows = correlate1d(values, ones, axis=0, mode="reflect")
    total: NDArray[np.float64] = correlate1d(rows, ones, axis=1, mode="reflect")
    return total
