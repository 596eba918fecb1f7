"""The ground area of a raster's pixels, in square metres.

In a projected system it is the area on the map's grid, as surveys and land registers count it: |determinant of the
transform| times the square of the system's unit in metres (0.3048 for feet, 1200/3937 for US survey feet). A grid
stretches the ground: UTM by up to 0.2 % of an area, Web Mercator by 1 / cos(latitude)**2, which is 2.4 at 50 degrees.
`grid_stretch` tells how much.

For longitudes and latitudes it is the area on the ellipsoid. Between the equator and latitude p, a strip of one radian
of longitude has (Snyder, Map Projections: A Working Manual, USGS 1987, equation 3-12 times a**2 / 2)

    A(p) = b**2 / 2 * (sin(p) / (1 - e**2 sin(p)**2) + atanh(e sin(p)) / e)

so a pixel of a north-up grid has |lon1 - lon0| * |A(lat1) - A(lat0)|, exactly.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from components.errors import RasterError
from components.geo.footprint import outline, warp_points
from components.geo.raster import Georeference, Grid
from components.geo.window import Window

_ELLIPSOID = re.compile(r'(?:SPHEROID|ELLIPSOID)\["[^"]*",\s*([0-9.eE+-]+),\s*([0-9.eE+-]+)')


@dataclass(frozen=True)
class Ellipsoid:
    """A flattened sphere.

    Attributes:
        a: Half of its axis through the equator, in metres.
        inverse_flattening: a / (a - b); 0 for a sphere, as WKT has it.
    """

    a: float
    inverse_flattening: float

    @property
    def eccentricity(self) -> float:
        """`sqrt(1 - (b / a)**2)`."""
        flattening = 1 / self.inverse_flattening if self.inverse_flattening else 0.0
        return math.sqrt(flattening * (2 - flattening))

    def strip(self, latitude: NDArray[np.float64]) -> NDArray[np.float64]:
        """Square metres from the equator to a latitude (radians), for one radian of longitude; south is negative."""
        e, sine = self.eccentricity, np.sin(latitude)
        if e < 1e-9:
            return np.asarray(self.a**2 * sine)
        b_squared = self.a**2 * (1 - e**2)
        return np.asarray(b_squared / 2 * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e))

    def density(self, latitude: NDArray[np.float64]) -> NDArray[np.float64]:
        """Square metres a square radian of longitude and latitude; the derivative of `strip`."""
        e = self.eccentricity
        return np.asarray(self.a**2 * (1 - e**2) * np.cos(latitude) / (1 - (e * np.sin(latitude)) ** 2) ** 2)


WGS84 = Ellipsoid(6378137.0, 298.257223563)


def pixel_areas(georeference: Georeference, window: Window) -> NDArray[np.float64] | None:
    """Square metres of each pixel of a window.

    Args:
        georeference: Of the raster.
        window: In its pixels.

    Returns:
        An array that broadcasts to (height, width) of the window: `(1, 1)` for projected systems, `(height, 1)` for
        longitudes and latitudes, `(height, width)` for rotated grids of these. None without a coordinate system: the
        ground is not known. A local system is taken by its unit, or for metres where it says none.

    Raises:
        RasterError: If the coordinate system cannot be read.
    """
    crs = _parsed(georeference.crs)
    t = georeference.transform
    if crs is None:
        return None
    if not crs.is_geographic:
        metres = float((crs.linear_units_factor if crs.is_projected else crs.units_factor)[1])
        return np.full((1, 1), abs(t.determinant) * metres**2)
    ellipsoid, radians = ellipsoid_of(crs), float(crs.units_factor[1])
    rows = np.arange(window.row, window.row_stop + 1, dtype=np.float64)
    if t.b == 0 and t.d == 0:
        edges = ellipsoid.strip(_latitudes((t.f + t.e * rows) * radians))
        return np.asarray(abs(t.a) * radians * np.abs(np.diff(edges)))[:, None]
    # A pixel is so small that its middle stands for all of it: the error is about its square in radians.
    cols = np.arange(window.col, window.col_stop) + 0.5
    middles = (t.f + t.d * cols + t.e * (rows[:-1, None] + 0.5)) * radians
    return np.asarray(abs(t.determinant) * radians**2 * ellipsoid.density(_latitudes(middles)))


def ellipsoid_of(crs: CRS) -> Ellipsoid:
    """The ellipsoid that a coordinate system lies on; that of WGS 84 where its text names none."""
    found = _ELLIPSOID.search(crs.to_wkt())
    return Ellipsoid(float(found[1]), float(found[2])) if found else WGS84


def grid_stretch(grid: Grid) -> float | None:
    """Area on the map's grid per area on the ground, in the middle of a projected raster; None where not known.

    Raises:
        RasterError: If the coordinate system cannot be read.
    """
    crs = _parsed(grid.georeference.crs)
    if crs is None or not crs.is_projected:
        return None
    height, width = max(1, grid.height // 100), max(1, grid.width // 100)
    window = Window((grid.height - height) // 2, (grid.width - width) // 2, height, width)
    areas = pixel_areas(grid.georeference, window)
    points = warp_points(outline(grid, window), crs, CRS.from_epsg(4326))
    if areas is None or points is None:
        return None
    lon, lat = np.radians(points).T
    x, y = lon - lon[0], lat - lat[0]  # differences of small numbers keep their digits
    square_radians = abs(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2
    ground = float(square_radians * WGS84.density(np.asarray(lat.mean())))
    return float(areas[0, 0]) * height * width / ground if ground else None


def _parsed(text: str) -> CRS | None:
    if not text:
        return None
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:
        raise RasterError(
            f"the coordinate system cannot be read: {error}", "WKT or an EPSG code", "correct the raster's"
        ) from error


def _latitudes(radians: NDArray[np.float64]) -> NDArray[np.float64]:
    """Global grids reach half a pixel beyond the poles."""
    return np.clip(radians, -math.pi / 2, math.pi / 2)
