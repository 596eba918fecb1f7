"""Polygons of class rasters: every pixel in one polygon, none in two, whatever the bands."""

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.ndimage
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from rasterio.features import rasterize

from components.classes import VOID_ID
from components.geo.vectorize import Region, band_rows, polygonize

ClassIds = NDArray[np.uint8]


def regions_of(class_ids: ClassIds, **options: float | int | None) -> list[Region]:
    return list(polygonize(lambda a, b: class_ids[a:b], class_ids.shape, **options))


def polygons(regions: Sequence[Region]) -> NDArray[np.object_]:
    return np.array([shapely.Polygon(region.rings[0], region.rings[1:]) for region in regions])


def oracle(class_ids: ClassIds) -> tuple[NDArray[np.int64], int]:
    """Number of the 4-connected region of each pixel, 0 for nodata, and how many regions there are."""
    numbers, count = np.zeros(class_ids.shape, np.int64), 0
    for class_id in set(class_ids.ravel().tolist()) - {VOID_ID}:
        labels, found = scipy.ndimage.label(class_ids == class_id)
        numbers[labels > 0] = labels[labels > 0] + count
        count += found
    return numbers, count


def blobs(shape: tuple[int, int], classes: int = 4, scale: float = 3.0, seed: int = 0) -> ClassIds:
    """Smooth patches of classes, a corner of nodata."""
    noise = np.random.default_rng(seed).normal(size=(classes, *shape))
    class_ids = np.array([scipy.ndimage.gaussian_filter(layer, scale) for layer in noise]).argmax(axis=0)
    row, col = np.indices(shape)
    return np.where(row + 2 * col < shape[0] // 3, VOID_ID, class_ids).astype(np.uint8)


SMALL = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 1, 2, VOID_ID]))
)
# A region that closes around itself over a corner, and one that does so only in rows that come later.
PINCH = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], np.uint8)
LATE = np.array([[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], np.uint8)


@given(class_ids=SMALL, rows=st.integers(1, 9))
@example(class_ids=PINCH, rows=3)
@example(class_ids=LATE, rows=1)
@settings(max_examples=150, deadline=None)
def test_each_polygon_is_one_connected_region_whatever_the_bands(class_ids: ClassIds, rows: int) -> None:
    regions = regions_of(class_ids, rows=rows)
    numbers, count = oracle(class_ids)
    assert len(regions) == count
    shapes = polygons(regions)
    assert shapely.is_valid(shapes).all()
    if not count:
        return
    drawn = rasterize(list(zip(shapes, range(1, count + 1), strict=True)), class_ids.shape, dtype="int32")
    for i, region in enumerate(regions, 1):
        row, col = np.nonzero(drawn == i)
        assert np.array_equal(drawn == i, numbers == numbers[row[0], col[0]])
        assert (region.class_id, region.pixels) == (class_ids[row[0], col[0]], len(row))
        assert shapes[i - 1].area == len(row)


@given(class_ids=SMALL, rows=st.integers(1, 9))
@example(class_ids=PINCH, rows=3)
@example(class_ids=LATE, rows=1)
@settings(max_examples=150, deadline=None)
def test_not_a_point_depends_on_the_bands(class_ids: ClassIds, rows: int) -> None:
    at_once, in_bands = regions_of(class_ids, rows=9), regions_of(class_ids, rows=rows)
    assert [(r.class_id, r.pixels, [ring.tolist() for ring in r.rings]) for r in in_bands] == [
        (r.class_id, r.pixels, [ring.tolist() for ring in r.rings]) for r in at_once
    ]


@given(class_ids=SMALL, rows=st.integers(1, 9))
@example(class_ids=PINCH, rows=3)
@settings(max_examples=100, deadline=None)
def test_neighbours_share_every_point_of_their_border(class_ids: ClassIds, rows: int) -> None:
    assert shapely.coverage_is_valid(polygons(regions_of(class_ids, rows=rows)))


@given(
    class_ids=st.one_of(SMALL, st.builds(blobs, st.just((40, 30)), seed=st.integers(0, 99))),
    rows=st.integers(1, 40),
    tolerance=st.floats(0.5, 6),
)
@settings(max_examples=100, deadline=None)
def test_simplified_polygons_still_cover_every_valid_pixel_once(
    class_ids: ClassIds, rows: int, tolerance: float
) -> None:
    exact, simple = regions_of(class_ids, rows=rows), regions_of(class_ids, rows=rows, simplify=tolerance)
    shapes = polygons(simple)
    assert [(r.class_id, r.pixels) for r in simple] == [(r.class_id, r.pixels) for r in exact]
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    # No overlaps, as the coverage is valid; no gaps, as the areas add up; and the outline against nodata is kept.
    assert shapely.area(shapes).sum() == np.count_nonzero(class_ids != VOID_ID)
    assert shapely.equals(shapely.union_all(shapes), shapely.union_all(polygons(exact)))


def test_simplification_leaves_out_the_stairs_of_a_slanting_border() -> None:
    row, col = np.indices((60, 60))
    class_ids = (row > 20 + col // 3).astype(np.uint8)
    exact, simple = (regions_of(class_ids, simplify=tolerance) for tolerance in (0.0, 1.5))
    assert min(len(region.rings[0]) for region in exact) > 2 * 19  # two corners a stair
    assert max(len(region.rings[0]) for region in simple) <= 8
    for before, after in zip(polygons(exact), polygons(simple), strict=True):
        assert shapely.hausdorff_distance(before.boundary, after.boundary) < 2


def test_a_border_that_crosses_seams_has_no_points_there() -> None:
    class_ids = np.zeros((50, 10), np.uint8)
    class_ids[:, 4:] = 1
    left, right = regions_of(class_ids, rows=7)
    assert left.rings[0].tolist() == [[0, 0], [4, 0], [4, 50], [0, 50]]
    assert right.rings[0].tolist() == [[4, 0], [10, 0], [10, 50], [4, 50]]


def test_holes_follow_the_outer_ring() -> None:
    class_ids = np.zeros((6, 6), np.uint8)
    class_ids[1:3, 1:3] = 1
    class_ids[4, 4] = VOID_ID
    outer, island = sorted(regions_of(class_ids, rows=2), key=lambda region: region.class_id)
    assert [ring.tolist() for ring in outer.rings] == [
        [[0, 0], [6, 0], [6, 6], [0, 6]],
        [[1, 1], [1, 3], [3, 3], [3, 1]],
        [[4, 4], [4, 5], [5, 5], [5, 4]],
    ]
    assert island.rings[0].tolist() == [[1, 1], [3, 1], [3, 3], [1, 3]]


def test_areas_are_summed_row_by_row() -> None:
    class_ids = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 0]], np.uint8)
    regions = regions_of(class_ids, rows=2, row_areas=lambda a, b: 10.0 ** np.arange(a, b))
    assert {r.class_id: r.area for r in regions} == {0: 2 * 1 + 1 * 10 + 3 * 100, 1: 1 * 1 + 2 * 10}


def test_a_map_of_nodata_has_no_polygons() -> None:
    assert regions_of(np.full((5, 5), VOID_ID, np.uint8), rows=2, simplify=1.0) == []


@pytest.mark.parametrize(("width", "rows"), [(40_000, 256), (4096, 2048), (2048, 4096)])
def test_bands_depend_on_the_width_alone(width: int, rows: int) -> None:
    assert band_rows(width) == rows
