"""Smooth random fields: the mottling of lawns, the patches of asphalt, the lumps of terrain."""

import math

import numpy as np
from numpy.typing import NDArray

# Standard deviation of a cubic B-spline surface over independent unit normals: sqrt(151 / 315) an axis.
_SPLINE_DEVIATION = 151 / 315


def smooth_noise(random: np.random.Generator, shape: tuple[int, int], cell_px: float) -> NDArray[np.float32]:
    """One octave: a cubic B-spline surface through random heights.

    Args:
        random: Where the heights come from.
        shape: (height, width) of the field.
        cell_px: Distance between the random heights, in pixels; at most 1 gives white noise.

    Returns:
        float32 (height, width), mean about 0, standard deviation about 1.
    """
    height, width = shape
    if cell_px <= 1:
        return random.standard_normal(shape, dtype=np.float32)
    heights = random.standard_normal((math.ceil(height / cell_px) + 4, math.ceil(width / cell_px) + 4), np.float32)
    starts = random.random(2)
    rows, row_weights = _spline(height, cell_px, float(starts[0]))
    cols, col_weights = _spline(width, cell_px, float(starts[1]))
    # Separable: first the few columns of heights are stretched over the rows, then the rows over the columns.
    tall = np.zeros((height, heights.shape[1]), np.float32)
    for tap in range(4):
        tall += heights[rows + tap] * row_weights[tap][:, None]
    tall /= np.float32(_SPLINE_DEVIATION)
    field = np.zeros(shape, np.float32)
    stretched = np.empty(shape, np.float32)
    for tap in range(4):
        np.take(tall, cols + tap, axis=1, out=stretched, mode="clip")
        stretched *= col_weights[tap]
        field += stretched
    return field


def fractal_noise(
    random: np.random.Generator, shape: tuple[int, int], coarsest_px: float, finest_px: float, roughness: float = 0.6
) -> NDArray[np.float32]:
    """Octaves of smooth noise from the coarsest cell down to the finest, each `roughness` times the one before.

    Returns:
        float32 (height, width), mean about 0, standard deviation about 1.
    """
    field = np.zeros(shape, np.float32)
    cell_px, strength, variance = coarsest_px, 1.0, 0.0
    while True:
        octave = smooth_noise(random, shape, cell_px)
        octave *= np.float32(strength)
        field += octave
        variance += strength**2
        cell_px, strength = cell_px / 2, strength * roughness
        if cell_px < max(finest_px, 1.0):
            field /= np.float32(math.sqrt(variance))
            return field


def _spline(length: int, cell_px: float, start: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """First knot (length,) and the weights (4, length) of the four knots that shape each pixel."""
    place = np.arange(length) / cell_px + start
    knot = np.floor(place).astype(np.intp)
    t = place - knot
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return knot, (np.stack(weights) / 6).astype(np.float32)
