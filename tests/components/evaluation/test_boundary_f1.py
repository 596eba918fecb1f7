"""Boundary F1 against a loop over pixel pairs, and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import VOID_ID
from components.evaluation.boundary_f1 import (
    PREDICTED,
    PREDICTED_MATCHED,
    TRUE,
    TRUE_MATCHED,
    boundary_counts,
    boundary_f1,
    find_boundaries,
    halo_of,
    mean_boundary_f1,
)
from components.evaluation.halo import inside, with_halo
from components.geo.window import Window


@st.composite
def tiles(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = (draw(st.integers(1, 10)), draw(st.integers(1, 10)))
    truth = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, VOID_ID]), fill=st.just(0)))
    predicted = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 2), fill=st.just(0)))
    return truth, predicted


def boundary_by_a_loop(classes: np.ndarray, void: np.ndarray, class_id: int) -> list[tuple[int, int]]:
    height, width = classes.shape
    found = []
    for row, col in np.argwhere((classes == class_id) & ~void):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < height and 0 <= c < width and not void[r, c] and classes[r, c] != class_id:
                found.append((int(row), int(col)))
                break
    return found


def counts_by_a_loop(truth: np.ndarray, predicted: np.ndarray, tolerance: int) -> np.ndarray:
    rows = []
    for class_id in range(3):
        ours = boundary_by_a_loop(predicted, truth == VOID_ID, class_id)
        theirs = boundary_by_a_loop(truth, truth == VOID_ID, class_id)

        def matched(points: list[tuple[int, int]], others: list[tuple[int, int]]) -> int:
            return sum(any(math.dist(point, other) <= tolerance for other in others) for point in points)

        rows.append([len(ours), matched(ours, theirs), len(theirs), matched(theirs, ours)])
    return np.array(rows)


@given(tiles(), st.integers(0, 4))
def test_counts_are_what_the_definition_says(tile: tuple[np.ndarray, np.ndarray], tolerance: int) -> None:
    np.testing.assert_array_equal(boundary_counts(*tile, 3, tolerance), counts_by_a_loop(*tile, tolerance))


def test_a_border_that_is_off_by_two_pixels() -> None:
    truth, predicted = np.zeros((2, 10, 20), np.uint8)
    truth[:, 10:] = 1
    predicted[:, 12:] = 1
    # each class has one boundary column, 10 pixels, 2 pixels away from the other's
    np.testing.assert_array_equal(boundary_counts(truth, predicted, 2, 1), [[10, 0, 10, 0]] * 2)
    np.testing.assert_array_equal(boundary_counts(truth, predicted, 2, 2), [[10, 10, 10, 10]] * 2)
    np.testing.assert_array_equal(boundary_f1(boundary_counts(truth, predicted, 2, 1)), [0, 0])
    np.testing.assert_array_equal(boundary_f1(boundary_counts(truth, predicted, 2, 2)), [1, 1])


def test_f1_is_the_harmonic_mean_and_absent_without_any_boundary() -> None:
    # precision 6 / 8, recall 3 / 5; then only predicted; then only true; then nowhere
    counts = np.array([[8, 6, 5, 3], [4, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 0]])
    found = boundary_f1(counts)
    assert found[0] == pytest.approx(2 * (6 / 8) * (3 / 5) / (6 / 8 + 3 / 5))
    assert found[1] == found[2] == 0
    assert math.isnan(found[3])
    assert mean_boundary_f1(counts, (0, 1, 2, 3)) == pytest.approx(found[0] / 3)
    assert math.isnan(mean_boundary_f1(counts, (3,)))


@given(tiles(), st.integers(0, 3))
def test_swapping_truth_and_prediction_swaps_precision_and_recall(
    tile: tuple[np.ndarray, np.ndarray], tolerance: int
) -> None:
    truth, predicted = np.where(tile[0] == VOID_ID, np.uint8(0), tile[0]), tile[1]
    counts = boundary_counts(truth, predicted, 3, tolerance)
    swapped = boundary_counts(predicted, truth, 3, tolerance)
    np.testing.assert_array_equal(swapped[:, [TRUE, TRUE_MATCHED, PREDICTED, PREDICTED_MATCHED]], counts)


@given(tiles(), st.integers(0, 3), st.integers(1, 10), st.integers(1, 10))
def test_windows_with_a_halo_add_up_to_the_whole(
    tile: tuple[np.ndarray, np.ndarray], tolerance: int, window_height: int, window_width: int
) -> None:
    truth, predicted = tile
    height, width = truth.shape
    total = np.zeros((3, 4), np.int64)
    for row in range(0, height, window_height):
        for col in range(0, width, window_width):
            window = Window(row, col, min(window_height, height - row), min(window_width, width - col))
            outer = with_halo(window, halo_of(tolerance), height, width)
            boundaries = find_boundaries(truth[outer.slices], predicted[outer.slices], 3, tolerance)
            total += boundaries.count(3, inside(window, outer))
    np.testing.assert_array_equal(total, boundary_counts(truth, predicted, 3, tolerance))


@given(tiles())
def test_what_is_predicted_where_the_truth_is_void_does_not_matter(tile: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = tile
    other = np.where(truth == VOID_ID, np.uint8(2) - predicted, predicted)
    np.testing.assert_array_equal(boundary_counts(truth, predicted, 3, 2), boundary_counts(truth, other, 3, 2))


@pytest.mark.parametrize("class_count", [8, 9, 17, 33, 65, 150])
def test_any_number_of_classes_has_a_bit_each(class_count: int) -> None:
    truth = np.arange(class_count, dtype=np.uint8)[None].repeat(3, axis=0)
    exact = boundary_counts(truth, truth, class_count, 0)
    np.testing.assert_array_equal(exact, np.full((class_count, 4), 3))
    # one column to the left: all classes but the first, which is gone, are found one pixel away
    shifted = np.concatenate([truth[:, 1:], truth[:, -1:]], axis=1)
    found = boundary_counts(truth, shifted, class_count, 0)
    assert found[:-1, TRUE_MATCHED].sum() == 0
    found = boundary_counts(truth, shifted, class_count, 1)
    assert (found[1:, TRUE_MATCHED] == 3).all()
    assert found[0, TRUE_MATCHED] == 0


def test_rasters_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be the same"):
        find_boundaries(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2, 1)
