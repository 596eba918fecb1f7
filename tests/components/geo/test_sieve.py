"""Small regions go to their largest neighbours; what is asked of the result is counted by another labeller."""

import numpy as np
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.geo.sieve import Sieve

ClassIds = NDArray[np.uint8]

SMALL = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, VOID_ID]))
)


def sieved(class_ids: ClassIds, least: float, **options: int) -> ClassIds:
    sieve = Sieve(lambda a, b: class_ids[a:b], class_ids.shape, least, **options)
    return sieve.read(0, len(class_ids))


@given(class_ids=SMALL, least=st.integers(1, 12), rows=st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_only_what_nodata_surrounds_stays_small(class_ids: ClassIds, least: int, rows: int) -> None:
    result = sieved(class_ids, least, rows=rows)
    valid = class_ids != VOID_ID
    assert np.array_equal(result == VOID_ID, ~valid)
    islands, _ = scipy.ndimage.label(valid)
    for class_id in range(4):
        labels, count = scipy.ndimage.label(result == class_id)
        for label in range(1, count + 1):
            size = np.count_nonzero(labels == label)
            island = islands[labels == label][0]
            assert size >= least or size == np.count_nonzero(islands == island)


@given(class_ids=SMALL, least=st.integers(1, 12), rows=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_result_does_not_depend_on_the_bands(class_ids: ClassIds, least: int, rows: int) -> None:
    np.testing.assert_array_equal(sieved(class_ids, least, rows=rows), sieved(class_ids, least, rows=9))


@given(class_ids=SMALL, least=st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_regions_that_are_large_enough_keep_their_class(class_ids: ClassIds, least: int) -> None:
    result = sieved(class_ids, least)
    for class_id in range(4):
        labels, count = scipy.ndimage.label(class_ids == class_id)
        for label in range(1, count + 1):
            if np.count_nonzero(labels == label) >= least:
                assert (result[labels == label] == class_id).all()


def test_a_speckle_goes_to_the_larger_neighbour() -> None:
    class_ids = np.array([[0, 0, 0, 0, 2, 1, 1, 1], [0, 0, 0, 0, 0, 1, 1, 1]], np.uint8)
    assert sieved(class_ids, 2)[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_any_part_can_be_read() -> None:
    class_ids = np.random.default_rng(0).integers(0, 3, (50, 20), np.uint8)
    sieve = Sieve(lambda a, b: class_ids[a:b], class_ids.shape, 5, rows=8)
    np.testing.assert_array_equal(sieve.read(13, 42), sieve.read(0, 50)[13:42])


def test_sizes_are_square_metres_where_areas_are_given() -> None:
    class_ids = np.zeros((4, 6), np.uint8)
    class_ids[0, 1:3] = 1  # 2 pixels of 1 m2
    class_ids[3, 1:3] = 2  # 2 pixels of 4 m2
    areas = np.array([1.0, 2, 3, 4])
    sieve = Sieve(lambda a, b: class_ids[a:b], class_ids.shape, 5.0, row_areas=lambda a, b: areas[a:b])
    result = sieve.read(0, 4)
    assert (np.count_nonzero(result == 1), np.count_nonzero(result == 2)) == (0, 2)
