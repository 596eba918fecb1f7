"""A tile counted window by window: the same counts, however it is cut, and those of the plain functions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classes import VOID_ID
from components.evaluation.boundary_f1 import boundary_counts
from components.evaluation.calibration import reliability_counts
from components.evaluation.confusion import confusion_matrix
from components.evaluation.count_window import count_window
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.erosion import erode_boundaries
from components.evaluation.halo import with_halo
from components.geo.window import Window

SHAPE = (37, 50)
OPTIONS = CountingOptions(block_px=16, erosion_px=2, boundary_px=1, bins=5)


def make_tile(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth of patches with a void corner, a prediction that is shifted and spotted, and a confidence."""
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.integers(0, 3, (8, 10)), np.ones((5, 5))).astype(np.uint8)[: SHAPE[0], : SHAPE[1]]
    predicted = np.roll(truth, 1, axis=1)
    predicted[rng.random(SHAPE) < 0.05] = 2
    truth[:9, :12] = VOID_ID
    return truth, predicted, rng.random(SHAPE, np.float32)


def count(window: Window, options: CountingOptions = OPTIONS, **given: np.ndarray) -> EvaluationCounts:
    truth, predicted, confidence = make_tile()
    outer = with_halo(window, options.halo, *SHAPE)
    return count_window(
        "a",
        SHAPE,
        window,
        outer,
        truth[outer.slices],
        predicted[outer.slices],
        3,
        options,
        confidence=confidence[outer.slices],
        **given,
    )


WHOLE = Window(0, 0, *SHAPE)


def test_the_sum_over_blocks_is_what_the_plain_functions_count() -> None:
    truth, predicted, confidence = make_tile()
    found = count(WHOLE)
    assert found.units == tuple(Unit("a", row, col) for row in range(3) for col in range(4))
    np.testing.assert_array_equal(found.confusion.sum(axis=0), confusion_matrix(truth, predicted, 3))
    eroded = erode_boundaries(truth, 2)
    np.testing.assert_array_equal(found.eroded.sum(axis=0), confusion_matrix(eroded, predicted, 3))
    np.testing.assert_array_equal(found.boundary.sum(axis=0), boundary_counts(truth, predicted, 3, 1))
    np.testing.assert_array_equal(
        found.reliability.sum(axis=0), reliability_counts(truth, predicted, confidence, 3, bins=5)
    )
    assert 0 < found.eroded.sum() < found.confusion.sum()


def test_a_block_holds_its_own_pixels() -> None:
    truth, predicted, _ = make_tile()
    found = count(WHOLE)
    place = found.units.index(Unit("a", 1, 3))
    part = slice(16, 32), slice(48, 50)
    np.testing.assert_array_equal(found.confusion[place], confusion_matrix(truth[part], predicted[part], 3))


@settings(max_examples=40)
@given(
    st.sets(st.integers(1, SHAPE[0] - 1), max_size=4),
    st.sets(st.integers(1, SHAPE[1] - 1), max_size=4),
    st.sampled_from([OPTIONS, OPTIONS.model_copy(update={"block_px": None})]),
    st.randoms(use_true_random=False),
)
def test_however_the_tile_is_cut_the_counts_are_the_same(
    row_cuts: set[int], col_cuts: set[int], options: CountingOptions, random: object
) -> None:
    rows, cols = [0, *sorted(row_cuts), SHAPE[0]], [0, *sorted(col_cuts), SHAPE[1]]
    windows = [Window(r, c, r_stop - r, c_stop - c) for r, r_stop in pairwise(rows) for c, c_stop in pairwise(cols)]
    random.shuffle(windows)  # type: ignore[attr-defined]
    assert EvaluationCounts.sum_of([count(window, options) for window in windows]) == count(WHOLE, options)


def test_an_eroded_truth_that_the_data_set_brings_is_taken() -> None:
    truth, predicted, _ = make_tile()
    theirs = np.where(np.arange(SHAPE[1]) % 2, truth, VOID_ID).astype(np.uint8)
    found = count(WHOLE, eroded_truth=theirs)
    np.testing.assert_array_equal(found.eroded.sum(axis=0), confusion_matrix(theirs, predicted, 3))


def test_without_confidence_there_is_no_reliability() -> None:
    truth, predicted, _ = make_tile()
    found = count_window("a", SHAPE, WHOLE, WHOLE, truth, predicted, 3, OPTIONS)
    assert found.reliability.sum() == 0
    assert found.confusion.sum() == (truth != VOID_ID).sum()


def test_a_missing_halo_and_arrays_of_another_size_are_refused() -> None:
    truth, predicted, _ = make_tile()
    window = Window(10, 10, 5, 5)
    with pytest.raises(ValueError, match="depend on"):
        count_window("a", SHAPE, window, window, truth[window.slices], predicted[window.slices], 3, OPTIONS)
    with pytest.raises(ValueError, match="predicted has shape"):
        count_window("a", SHAPE, WHOLE, WHOLE, truth, predicted[1:], 3, OPTIONS)


def test_an_ignored_class_is_void_for_outlines_and_reliability_and_stays_in_the_matrices() -> None:
    truth, predicted, confidence = make_tile()
    found = count_window(
        "a", SHAPE, WHOLE, WHOLE, truth, predicted, 3, OPTIONS, confidence=confidence, ignored_ids=(1,)
    )
    without = np.where(truth == 1, VOID_ID, truth).astype(np.uint8)
    np.testing.assert_array_equal(found.confusion.sum(axis=0), confusion_matrix(truth, predicted, 3))
    np.testing.assert_array_equal(found.boundary.sum(axis=0), boundary_counts(without, predicted, 3, 1))
    np.testing.assert_array_equal(
        found.reliability.sum(axis=0), reliability_counts(without, predicted, confidence, 3, 5)
    )
