"""Outlines on the ground: straight, rotated, warped, and how large they are."""

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from components.geo.footprint import outline, square_metres, warp_points
from components.geo.raster import Georeference, Grid
from components.geo.window import Window

UTM32, UTM33, LON_LAT = CRS.from_epsg(25832), CRS.from_epsg(25833), CRS.from_epsg(4326)


def grid(transform: Affine, height: int = 20, width: int = 10) -> Grid:
    return Grid(height, width, Georeference(transform, UTM32.to_wkt()))


def test_an_outline_walks_around_the_outer_pixel_edges() -> None:
    points = outline(grid(Affine(0.5, 0, 1000, 0, -0.5, 2000)))
    assert points.tolist() == [[1000, 2000], [1005, 2000], [1005, 1990], [1000, 1990]]


def test_a_window_of_a_south_up_grid_lies_above_its_origin() -> None:
    points = outline(grid(Affine(1, 0, 0, 0, 1, 100)), Window(4, 2, 3, 5))
    assert shapely.Polygon(points).bounds == (2, 104, 7, 107)


@pytest.mark.parametrize("angle", [0, 17, 90, 213])
def test_a_rotated_outline_keeps_its_area(angle: float) -> None:
    turned = Affine.translation(500_000, 5_500_000) @ Affine.rotation(angle) @ Affine.scale(0.5, -0.5)
    assert shapely.Polygon(outline(grid(turned))).area == pytest.approx(20 * 0.5 * 10 * 0.5)


def test_segments_add_points_on_the_edges_alone() -> None:
    place = grid(Affine(0.5, 0.1, 1000, 0.2, -0.5, 2000))
    few, many = shapely.Polygon(outline(place)), shapely.Polygon(outline(place, segments=8))
    assert len(many.exterior.coords) == 4 * 8 + 1
    assert few.symmetric_difference(many).area == pytest.approx(0, abs=1e-9)


def test_points_warped_there_and_back_are_the_same() -> None:
    points = outline(grid(Affine(10, 0, 700_000, 0, -10, 5_500_000)), segments=4)
    there = warp_points(points, UTM32, UTM33)
    assert there is not None
    assert np.abs(there - points).max() > 100_000
    back = warp_points(there, UTM33, UTM32)
    np.testing.assert_allclose(back, points, atol=1e-3)


def test_a_place_off_the_projection_has_no_outline() -> None:
    europe, its_antipode = [10.0, 52.0], [-170.0, -52.0]
    assert warp_points(np.array([europe]), LON_LAT, CRS.from_epsg(3035)) is not None
    assert warp_points(np.array([europe, its_antipode]), LON_LAT, CRS.from_epsg(3035)) is None


def test_a_square_kilometre_is_one_in_metres_feet_and_degrees() -> None:
    square = shapely.box(500_000, 5_500_000, 501_000, 5_501_000)
    assert square_metres(square, UTM32) == 1e6
    # New York's system counts in survey feet of 1200/3937 m.
    assert square_metres(shapely.box(0, 0, 3937, 3937), CRS.from_epsg(2263)) == pytest.approx(1200**2)
    # On the central meridian UTM shrinks lengths to 0.9996.
    corners = warp_points(np.array(shapely.segmentize(square, 50).exterior.coords), UTM32, LON_LAT)
    assert square_metres(shapely.Polygon(corners), LON_LAT) == pytest.approx(1e6 / 0.9996**2, rel=1e-5)
