"""Sun and sky: slopes turned to the sun are bright, what stands in the way of it casts a shadow."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from tfx_pipeline.sample_scenes.painting import Floats, Painting

# Height that must stand in the way for full shadow: the sun is a disc of half a degree, crowns are porous.
_PENUMBRA_M = 0.3


@dataclass(frozen=True)
class Sun:
    """Where the sun stands: azimuth clockwise from north and elevation, in radians."""

    azimuth: float
    elevation: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Sun":
        """A sun as photo flights in Central Europe have it: late morning to afternoon, March to September."""
        azimuth, elevation = random.uniform(math.radians(115), math.radians(245)), random.uniform(36, 58)
        return cls(float(azimuth), math.radians(elevation))


def sunlit(painting: Painting, terrain_m: Floats, sun: Sun) -> tuple[Floats, Floats]:
    """How much sun and sky each pixel gets.

    Args:
        painting: Heights and slopes.
        terrain_m: float32 (height, width), ground height.
        sun: Its direction.

    Returns:
        Two float32 (height, width): direct sun, 1 on open level ground, 0 in shadow; and sky, 1 in the open, less
        beside walls and between crowns.
    """
    pixel_m = painting.canvas.pixel_m
    surface = painting.height_m + terrain_m
    toward_row, toward_col = -math.cos(sun.azimuth), math.sin(sun.azimuth)
    # Cosine of incidence over that on level ground: (n . s) / s_z, n = (-slope_row, -slope_col, 1) / |...|.
    cotangent = 1 / math.tan(sun.elevation)
    facing = 1 - np.float32(toward_row * cotangent) * painting.slope_row
    facing -= np.float32(toward_col * cotangent) * painting.slope_col
    facing /= np.sqrt(1 + painting.slope_row**2 + painting.slope_col**2)
    blocked = np.clip(shadow_depth(surface, pixel_m, sun) / np.float32(_PENUMBRA_M), 0, 1)
    direct = np.clip(facing, 0, 2.2) * (1 - blocked)
    around = gaussian_filter(surface, 2.2 / pixel_m, truncate=2.0)
    sky = np.exp(-np.float32(0.16) * np.maximum(around - surface, 0))
    return direct.astype(np.float32), sky.astype(np.float32)


def shadow_depth(surface_m: Floats, pixel_m: float, sun: Sun) -> Floats:
    """How far below the shadow line each pixel lies, in metres; 0 or less in the sun.

    Rows are visited from the sun's side (columns, if the sun stands more to the left or right). In a frame sheared
    along the sun's direction all that can shade a pixel lies in one column, so that a running maximum of
    height + path x tan(elevation) is the shadow line: one pass, whatever the height.

    Args:
        surface_m: float32 (height, width), height of the surface.
        pixel_m: Side of a pixel, in metres.
        sun: Its direction.

    Returns:
        float32 (height, width).
    """
    return _march(surface_m, pixel_m * math.tan(sun.elevation), -math.cos(sun.azimuth), math.sin(sun.azimuth))


def _march(surface_m: Floats, drop_m: float, toward_row: float, toward_col: float) -> Floats:
    """Shadow depth; the shadow line falls by `drop_m` a pixel of path; (toward_row, toward_col) points to the sun."""
    if abs(toward_col) > abs(toward_row):  # rows and columns change places
        return np.ascontiguousarray(_march(np.ascontiguousarray(surface_m.T), drop_m, toward_col, toward_row).T)
    if toward_row > 0:  # from the bottom up
        return np.ascontiguousarray(
            _march(np.ascontiguousarray(surface_m[::-1]), drop_m, -toward_row, toward_col)[::-1]
        )
    height, width = surface_m.shape
    shear = toward_col / -toward_row
    drop = np.float32(drop_m * math.hypot(1.0, shear))
    lines = np.full(width + math.ceil(abs(shear) * height) + 1, -np.inf, np.float32)
    depth = np.empty_like(surface_m)
    for row in range(height):
        start = round(row * shear) if shear >= 0 else round((height - 1 - row) * -shear)
        line = lines[start : start + width]
        np.subtract(line, row * drop, out=depth[row])
        depth[row] -= surface_m[row]
        np.maximum(line, surface_m[row] + row * drop, out=line)
    return depth
