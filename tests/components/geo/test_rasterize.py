"""Burning shapes: which pixels they have, whatever the windows."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.geo.rasterize import BLOCK_PX, BurntShapes
from components.geo.window import Window

HEIGHT, WIDTH = BLOCK_PX + 60, BLOCK_PX + 90
SEAM = BLOCK_PX


def burnt(shapes: list, codes: list[int] | None = None, all_touched: bool = False) -> BurntShapes:
    return BurntShapes(np.array(shapes, object), np.array(codes or [1] * len(shapes)), WIDTH, all_touched)


def centres(window: Window) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[window.row : window.row_stop, window.col : window.col_stop]
    return cols + 0.5, rows + 0.5


# around the corner of four blocks
polygons = st.builds(
    lambda points: shapely.Polygon(points),
    st.lists(st.tuples(st.floats(SEAM - 40, SEAM + 40), st.floats(SEAM - 40, SEAM + 40)), min_size=3, max_size=9),
)


@settings(max_examples=60, deadline=None)
@given(polygon=polygons)
def test_a_polygon_has_the_pixels_whose_centre_it_covers(polygon: shapely.Polygon) -> None:
    assume(polygon.is_valid and not polygon.is_empty)
    window = Window(SEAM - 45, SEAM - 45, 90, 90)
    found = burnt([polygon]).read(window)
    points = shapely.points(*centres(window))
    clear = shapely.distance(points, polygon.boundary) > 1e-9  # on the edge either answer is right
    np.testing.assert_array_equal(found.astype(bool)[clear], shapely.contains(polygon, points)[clear])


@settings(max_examples=60, deadline=None)
@given(polygon=polygons)
def test_all_touched_burns_every_pixel_that_shares_area_with_the_polygon(polygon: shapely.Polygon) -> None:
    assume(polygon.is_valid and not polygon.is_empty)
    window = Window(SEAM - 45, SEAM - 45, 90, 90)
    found = burnt([polygon], all_touched=True).read(window).astype(bool)
    x, y = centres(window)
    pixels = shapely.box(x - 0.5, y - 0.5, x + 0.5, y + 0.5)
    touched = shapely.area(shapely.intersection(pixels, polygon)) > 1e-6
    assert not (touched & ~found).any()
    assert not (found & (shapely.distance(pixels, polygon) > 1e-6)).any()


@settings(max_examples=30, deadline=None)
@given(
    corners=st.lists(
        st.tuples(*[st.floats(-20, max(HEIGHT, WIDTH) + 20)] * 4, st.sampled_from(["polygon", "line", "point"])),
        min_size=1,
        max_size=6,
    ),
    row_cut=st.integers(1, HEIGHT - 1),
    col_cut=st.integers(1, WIDTH - 1),
    all_touched=st.booleans(),
)
def test_windows_put_together_are_the_whole(
    corners: list[tuple[float, float, float, float, str]], row_cut: int, col_cut: int, all_touched: bool
) -> None:
    shapes = []
    for x0, y0, x1, y1, kind in corners:
        line = shapely.LineString([(x0, y0), (x1, y1), (y0, x1)])
        shapes.append({"polygon": line.convex_hull.buffer(0.5), "line": line, "point": shapely.Point(x0, y0)}[kind])
    codes = list(range(1, len(shapes) + 1))
    whole = burnt(shapes, codes, all_touched).read(Window(0, 0, HEIGHT, WIDTH))
    pieces = burnt(shapes, codes, all_touched)
    windows = [
        Window(row_cut, col_cut, HEIGHT - row_cut, WIDTH - col_cut),
        Window(0, 0, row_cut, col_cut),
        Window(row_cut, 0, HEIGHT - row_cut, col_cut),
        Window(0, col_cut, row_cut, WIDTH - col_cut),
    ]
    for window in windows:
        np.testing.assert_array_equal(pieces.read(window), whole[window.slices])


def test_centres_exactly_on_an_edge_are_decided_alike_in_every_window() -> None:
    # edges through pixel centres, up to the last digit
    shapes = [shapely.box(3.5, 3.5, SEAM + 30.5, SEAM + 20.5), shapely.Polygon([(0, 0), (SEAM, SEAM), (0, SEAM)])]
    whole = burnt(shapes, [1, 2]).read(Window(0, 0, HEIGHT, WIDTH))
    pieces = burnt(shapes, [1, 2])
    for row in range(0, HEIGHT, 37):
        for col in range(0, WIDTH, 101):
            window = Window(row, col, min(37, HEIGHT - row), min(101, WIDTH - col))
            np.testing.assert_array_equal(pieces.read(window), whole[window.slices])


def test_later_shapes_cover_earlier_ones() -> None:
    shapes = [shapely.box(0, 0, 4, 4), shapely.box(2, 0, 6, 4), shapely.box(3, 0, 4, 4)]
    assert burnt(shapes, [7, 300, 2]).read(Window(1, 0, 1, 7)).tolist() == [[7, 7, 300, 2, 300, 300, 0]]


def test_lines_are_one_pixel_wide_and_points_one_pixel() -> None:
    found = burnt([shapely.LineString([(0.2, 1.7), (3.9, 1.2)]), shapely.Point(1.1, 3.9)]).read(Window(0, 0, 5, 5))
    assert found.tolist() == [[0] * 5, [1, 1, 1, 1, 0], [0] * 5, [0, 1, 0, 0, 0], [0] * 5]


def test_an_outline_of_many_vertices_is_burnt_as_one_of_few() -> None:
    # more vertices than are walked through for every block, so that it is clipped to each
    circle = shapely.Point(SEAM, SEAM - 3).buffer(45, quad_segs=500)
    window = Window(SEAM - 60, SEAM - 60, 119, 119)
    x, y = centres(window)
    expected = np.hypot(x - SEAM, y - (SEAM - 3)) < 45
    unclear = np.abs(np.hypot(x - SEAM, y - (SEAM - 3)) - 45) < 1e-3
    found = burnt([circle]).read(window).astype(bool)
    assert not ((found != expected) & ~unclear).any()


@pytest.mark.parametrize("downsample", [2, 3])
def test_downsampled_pixels_are_those_right_below_the_middle(downsample: int) -> None:
    shapes = burnt([shapely.LineString([(0, 0), (40, 31)]), shapely.box(5, 5, 12, 20)], [1, 2])
    window = Window(downsample, 0, 30, 36)
    middle = downsample // 2
    full = shapes.read(window)[middle::downsample, middle::downsample]
    np.testing.assert_array_equal(shapes.read(window, downsample), full)
