"""Brings geometries into the pixel coordinates of an image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import rasterio.warp
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # PROJ's own errors come as these, and are no RasterioError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError

from components.errors import LabelError
from components.geo.raster import Grid
from components.geo.vector_file import Bounds

POLYGON, LINE, POINT = 3, 1, 0
"""shapely's type ids of simple geometries; 2 is a ring, which counts as a line."""

_PIECES = 256
"""Edges are cut to this fraction of the tile's diagonal before they are warped: an edge that is straight in longitude
and latitude is bent in the image's system. 12 m pieces of a 3 km tile bend by 12**2 / (8 * 6.4e6) m = 3 micrometres."""


def simple_parts(geometries: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Polygons, lines and points, valid, with the index of the geometry that each is a part of.

    Of an invalid polygon what `make_valid` leaves of areas is kept; its lines and points would be burnt as such.
    """
    parts, origin = _exploded(geometries)
    broken = ~shapely.is_valid(parts) & (shapely.get_type_id(parts) == POLYGON)
    if not broken.any():
        return parts, origin
    repaired, of = _exploded(shapely.make_valid(parts[broken]))
    areas = shapely.get_type_id(repaired) == POLYGON
    where = np.concatenate([np.nonzero(~broken)[0], np.nonzero(broken)[0][of[areas]]])
    order = np.argsort(where, kind="stable")
    return np.concatenate([parts[~broken], repaired[areas]])[order], origin[where[order]]


def image_crs(grid: Grid, what: str) -> CRS:
    """The image's coordinate system.

    Raises:
        LabelError: If it has none.
    """
    if not grid.georeference.crs:
        raise LabelError(
            f"{what} are given in ground coordinates, but the image has no coordinate system",
            "a georeferenced image, or geometries in its pixels",
            "set labels.coordinates: pixel if they are (col, row) of the image; otherwise give the image its place "
            "(gdal_edit.py -a_srs EPSG:... -a_ullr ...)",
        )
    return CRS.from_wkt(grid.georeference.crs)


def file_crs(path: str, found: str | None, override: str | None) -> CRS:
    """The coordinate system of a vector file; the override wins.

    Raises:
        LabelError: If there is none, or it cannot be understood.
    """
    name = override or found
    if name is None:
        raise LabelError(
            f"{path} does not say its coordinate system",
            "a vector file with a coordinate system (a Shapefile with its .prj)",
            "say it: labels.crs: EPSG:...; for (col, row) of the image: labels.coordinates: pixel",
        )
    try:
        return CRS.from_user_input(name)
    except CRSError as error:
        key = "labels.crs" if override else path
        raise LabelError(
            f"{key} gives the coordinate system '{name}', which PROJ does not know", "EPSG:... or WKT", "correct it"
        ) from error


def bounds_in(grid: Grid, crs: CRS, target: CRS, margin: float) -> Bounds | None:
    """The image's bounds, widened by `margin` (in units of `crs`, its own system), in the coordinates of `target`.

    None where they cannot be said, across the antimeridian or a pole.
    """
    transform = grid.georeference.transform
    xs, ys = zip(*(transform @ (x, y) for x in (0, grid.width) for y in (0, grid.height)), strict=True)
    bounds = (min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin)
    if crs == target:
        return bounds
    try:
        west, south, east, north = rasterio.warp.transform_bounds(crs, target, *bounds)
    except (RasterioError, CPLE_BaseError):
        return None
    if not np.isfinite([west, south, east, north]).all() or west >= east or south >= north:
        return None
    # Between the points at which the bounds were computed an edge may bulge.
    bulge = 0.01 * max(east - west, north - south)
    return west - bulge, south - bulge, east + bulge, north + bulge


def warped(parts: NDArray[Any], source: CRS, target: CRS, bounds: Bounds | None, path: str) -> NDArray[Any]:
    """Parts in the coordinates of `target`; what lies beyond `bounds` (of the source) may be cut off.

    Raises:
        LabelError: If a part cannot be warped.
    """
    if source == target or not len(parts):
        return parts
    if bounds is not None:
        west, south, east, north = bounds
        reach = max(east - west, north - south)
        parts = shapely.clip_by_rect(parts, west - reach, south - reach, east + reach, north + reach)
        parts = shapely.segmentize(parts, reach / _PIECES)

    def to_target(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        xs, ys = rasterio.warp.transform(source, target, xy[:, 0].tolist(), xy[:, 1].tolist())[:2]
        return np.column_stack([xs, ys])

    try:
        found: NDArray[Any] = shapely.transform(parts, to_target)
    except (RasterioError, CPLE_BaseError) as error:
        raise _cannot_warp(path, source, target) from error
    if not np.isfinite(shapely.get_coordinates(found)).all():
        raise _cannot_warp(path, source, target)
    return found


def widened(parts: NDArray[Any], widths_m: NDArray[np.float64], crs: CRS | None) -> NDArray[Any]:
    """Lines and points as areas of their width, with round ends; polygons, and width 0, as they are.

    Args:
        parts: In ground coordinates of `crs`.
        widths_m: Of each part, in metres.
        crs: The image's system; None where it has none.

    Raises:
        LabelError: If a width is wanted where coordinates are not lengths.
    """
    wide = (widths_m > 0) & (shapely.get_type_id(parts) != POLYGON)
    if not wide.any():
        return parts
    if crs is None or not crs.is_projected:
        raise LabelError(
            "labels.line_width_m wants metres, but the image's coordinate system is "
            + ("none" if crs is None else f"{crs.to_string()}, in degrees"),
            "an image in a projected coordinate system",
            "warp the image first (gdalwarp -t_srs EPSG:...), or widen the lines yourself and leave line_width_m out",
        )
    metres_a_unit = crs.linear_units_factor[1]
    parts = parts.copy()
    parts[wide] = shapely.buffer(parts[wide], widths_m[wide] / 2 / metres_a_unit)
    return parts


def affine_map(transform: Affine) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The transform as a function of `(n, 2)` coordinates, for `shapely.transform`."""
    matrix = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    offset = np.array([transform.c, transform.f])
    return lambda xy: xy @ matrix.T + offset


def unit_to_pixels(grid: Grid, x_max: float, y_min: float) -> Affine:
    """DSTL's coordinates to pixels: `col = x / x_max * W * W / (W + 1)`, `row = y / y_min * H * H / (H + 1)`.

    Source: the data page of Kaggle's "Dstl Satellite Imagery Feature Detection" (2016).
    """
    width, height = grid.width, grid.height
    return Affine.scale(width * width / (width + 1) / x_max, height * height / (height + 1) / y_min)


def _exploded(geometries: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Simple, not empty parts, also of nested collections, with the index of what each is a part of."""
    origin = np.arange(len(geometries))
    while (shapely.get_type_id(geometries) > POLYGON).any():
        geometries, index = shapely.get_parts(geometries, return_index=True)
        origin = origin[index]
    full = ~shapely.is_empty(geometries)
    return geometries[full], origin[full]


def _cannot_warp(path: str, source: CRS, target: CRS) -> LabelError:
    return LabelError(
        f"geometries of {path} cannot be warped from {source.to_string()} to the image's {target.to_string()}",
        "coordinates that both systems can express",
        "check the file's coordinate system (labels.crs overrides it) and for x and y exchanged",
    )
