"""Areas of pixels against closed formulas, published figures and another equal-area computation."""

import math

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from components.errors import RasterError
from components.geo.footprint import outline, warp_points
from components.geo.pixel_area import WGS84, Ellipsoid, ellipsoid_of, grid_stretch, pixel_areas
from components.geo.raster import Georeference, Grid
from components.geo.window import Window

LONLAT = CRS.from_epsg(4326).to_wkt()


def areas_of(crs: str, transform: Affine, window: Window) -> np.ndarray:
    areas = pixel_areas(Georeference(transform, CRS.from_user_input(crs).to_wkt()), window)
    assert areas is not None
    return areas


def test_a_grid_of_the_world_has_the_ellipsoids_surface() -> None:
    areas = areas_of("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), Window(0, 0, 180, 360))
    assert areas.shape == (180, 1)
    assert areas.sum() * 360 == pytest.approx(510_065_621.724e6, rel=1e-11)  # km2 of WGS 84 by its definition


def test_a_degree_at_the_equator_has_the_published_area() -> None:
    (area,) = areas_of("EPSG:4326", Affine(1, 0, 0, 0, -1, 1), Window(0, 0, 1, 1)).ravel()
    assert area / 1e6 == pytest.approx(12_308.8, abs=0.4)


def test_small_pixels_are_exact_to_a_millionth() -> None:
    # The meridian's radius of curvature times that of the parallel, for a pixel of some 10 cm.
    size = 1e-6
    areas = areas_of("EPSG:4326", Affine(size, 0, 9, 0, -size, 48), Window(0, 0, 3, 5))
    latitude = math.radians(48 - size / 2)
    e2 = 2 / 298.257223563 - 1 / 298.257223563**2
    w = math.sqrt(1 - e2 * math.sin(latitude) ** 2)
    expected = 6378137.0**2 * (1 - e2) / w**4 * math.cos(latitude) * math.radians(size) ** 2
    np.testing.assert_allclose(areas[0, 0], expected, rtol=1e-6)


def test_an_equal_area_projection_agrees() -> None:
    georeference = Georeference(Affine(0.01, 0, 7, 0, -0.01, 51), LONLAT)
    points = warp_points(outline(Grid(80, 120, georeference), segments=400), CRS.from_epsg(4326), CRS.from_epsg(6933))
    assert points is not None
    x, y = points.T
    areas = pixel_areas(georeference, Window(0, 0, 80, 120))
    assert areas is not None
    projected = abs(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2
    assert np.broadcast_to(areas, (80, 120)).sum() == pytest.approx(projected, rel=1e-9)


def test_a_window_is_a_part_of_the_whole() -> None:
    transform = Affine(0.5, 0, -20, 0, -0.5, 70)
    whole = areas_of("EPSG:4326", transform, Window(0, 0, 100, 7))
    np.testing.assert_array_equal(areas_of("EPSG:4326", transform, Window(30, 2, 20, 3)), whole[30:50])


def test_south_up_grids_have_the_same_areas_upside_down() -> None:
    north_up = areas_of("EPSG:4326", Affine(0.5, 0, 0, 0, -0.5, 60), Window(0, 0, 40, 1))
    south_up = areas_of("EPSG:4326", Affine(0.5, 0, 0, 0, 0.5, 40), Window(0, 0, 40, 1))
    np.testing.assert_allclose(south_up, north_up[::-1], rtol=1e-12)


def test_rotated_longitudes_and_latitudes_go_pixel_by_pixel() -> None:
    size = 1e-4
    turned = Affine(0, size, 9, size, 0, 48)  # columns go north, rows go east
    areas = areas_of("EPSG:4326", turned, Window(0, 0, 4, 30))
    upright = areas_of("EPSG:4326", Affine(size, 0, 9, 0, size, 48), Window(0, 0, 30, 4))
    assert areas.shape == (4, 30)
    np.testing.assert_allclose(areas, np.broadcast_to(upright, (30, 4)).T, rtol=1e-8)


@pytest.mark.parametrize(
    ("crs", "metres"),
    [
        ("EPSG:25832", 1.0),
        ("EPSG:2263", 1200 / 3937),  # New York, US survey feet
        ("EPSG:2222", 0.3048),  # Arizona, international feet
        ('LOCAL_CS["site",UNIT["foot",0.3048]]', 0.3048),
    ],
)
def test_units_of_length_are_squared(crs: str, metres: float) -> None:
    areas = areas_of(crs, Affine(2, 0, 1000, 0, -3, 1000), Window(5, 5, 7, 8))
    assert areas.shape == (1, 1)
    assert areas[0, 0] == pytest.approx(6 * metres**2, rel=1e-12)


def test_rotated_and_sheared_pixels_have_their_determinant() -> None:
    areas = areas_of("EPSG:25832", Affine(3, 1, 0, 1, -2, 0), Window(0, 0, 2, 2))
    assert areas[0, 0] == pytest.approx(3 * 2 + 1 * 1)


def test_without_a_coordinate_system_nothing_is_known() -> None:
    assert pixel_areas(Georeference(Affine.identity(), ""), Window(0, 0, 2, 2)) is None


def test_a_coordinate_system_that_is_none_is_an_error() -> None:
    with pytest.raises(RasterError, match="cannot be read"):
        pixel_areas(Georeference(Affine.identity(), "EPSG:banana"), Window(0, 0, 2, 2))


def test_the_ellipsoid_is_the_systems_own() -> None:
    assert ellipsoid_of(CRS.from_epsg(4326)) == WGS84
    assert ellipsoid_of(CRS.from_epsg(4314)) == Ellipsoid(6377397.155, 299.1528128)  # DHDN: Bessel 1841
    sphere = Ellipsoid(1.0, 0.0)
    assert float(sphere.strip(np.array(math.pi / 2))) * 4 * math.pi == pytest.approx(4 * math.pi)


@pytest.mark.parametrize(
    ("crs", "x", "y", "expected"),
    [
        ("EPSG:3857", 0, 6_446_275.84, 1 / math.cos(math.radians(50)) ** 2),  # y of 50 degrees north on the sphere
        ("EPSG:25832", 500_000, 5_500_000, 0.9996**2),  # the scale on the central meridian
        ("EPSG:6933", 800_000, 5_500_000, 1.0),
    ],
)
def test_the_stretch_of_a_grid_is_its_projections(crs: str, x: float, y: float, expected: float) -> None:
    grid = Grid(200, 200, Georeference(Affine(1, 0, x - 100, 0, -1, y + 100), CRS.from_user_input(crs).to_wkt()))
    # The sphere of Web Mercator's formula against the ellipsoid of its coordinates: up to 0.7 %.
    assert grid_stretch(grid) == pytest.approx(expected, rel=0.007 if crs == "EPSG:3857" else 1e-5)


def test_longitudes_and_latitudes_are_not_stretched() -> None:
    assert grid_stretch(Grid(2, 2, Georeference(Affine.identity(), LONLAT))) is None
    assert grid_stretch(Grid(2, 2, Georeference(Affine.identity(), ""))) is None
