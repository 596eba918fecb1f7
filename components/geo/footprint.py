"""The outline of a grid's window on the ground, in its own coordinate system or warped to another."""

import numpy as np
import rasterio.warp
import shapely
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # what GDAL's point transformation raises; rasterio passes it on
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from components.geo.raster import Grid
from components.geo.window import Window

SEGMENTS = 32
"""Pieces an edge is cut into before it is warped. Straight lines bend in another coordinate system: from one UTM zone
to the next, the middle of a 100 km edge by 13 m; of chords 32 times shorter it is 32 * 32 times less, a centimetre."""

EQUAL_AREA = "EPSG:6933"
"""Equal-Area Scalable Earth grid: true areas between 86 degrees south and north."""


def outline(grid: Grid, window: Window | None = None, segments: int = 1) -> NDArray[np.float64]:
    """The outer edge of a window's pixels, walked around once.

    Args:
        grid: The tile's grid; its transform may be south-up or rotated.
        window: In tile pixels; None is the whole grid.
        segments: Points an edge.

    Returns:
        `(4 * segments, 2)` points (x, y) in the grid's own coordinate system, the first not repeated at the end.
    """
    window = window or Window(0, 0, grid.height, grid.width)
    top, left, bottom, right = window.row, window.col, window.row_stop, window.col_stop
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    steps = np.arange(segments)[:, None] / segments
    pixels = np.concatenate(
        [corner + steps * (after - corner) for corner, after in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )
    t = grid.georeference.transform
    points: NDArray[np.float64] = pixels @ np.array([[t.a, t.d], [t.b, t.e]]) + np.array([t.c, t.f])
    return points


def warp_points(points: NDArray[np.float64], source: CRS, target: CRS) -> NDArray[np.float64] | None:
    """Points `(n, 2)` of one coordinate system in another; None where the other is not defined there.

    A place that a projection is not defined at is not on any tile of that projection.
    """
    if source == target:
        return points
    try:
        xs, ys = rasterio.warp.transform(source, target, points[:, 0].tolist(), points[:, 1].tolist())
    except (RasterioError, CPLE_BaseError, ValueError):
        return None
    warped = np.column_stack([xs, ys])
    return warped if np.isfinite(warped).all() else None


def square_metres(shape: shapely.Geometry, crs: CRS) -> float:
    """The area of a shape: in the plane of a projected system, on the ellipsoid for longitudes and latitudes."""
    if not crs.is_geographic:
        metres = float(crs.linear_units_factor[1]) if crs.is_projected else 1.0  # a local system says no unit
        return float(shape.area) * metres**2
    equal_area = CRS.from_string(EQUAL_AREA)

    def warp(points: NDArray[np.float64]) -> NDArray[np.float64]:
        warped = warp_points(points, crs, equal_area)
        return points if warped is None else warped

    return float(shapely.transform(shape, warp).area)
