"""Reliability counts and calibration errors, by hand and against the formula over single pixels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import VOID_ID
from components.evaluation.calibration import (
    CONFIDENCE,
    MILLION,
    PIXELS,
    RIGHT,
    expected_calibration_error,
    maximum_calibration_error,
    reliability_counts,
    reliability_curve,
)

COUNT = 60
TRUTH = hnp.arrays(np.uint8, COUNT, elements=st.sampled_from([0, 1, VOID_ID]))
PREDICTED = hnp.arrays(np.uint8, COUNT, elements=st.integers(0, 1))
CONFIDENCES = hnp.arrays(np.float32, COUNT, elements=st.floats(0, 1, width=32))


def test_a_case_worked_by_hand() -> None:
    # two bins: (0, 0.5] holds 0.4 wrong and 0.5 right; (0.5, 1] holds 0.8 right, 0.8 right, 0.9 wrong
    truth = np.array([0, 0, 0, 0, 0, VOID_ID], np.uint8)
    predicted = np.array([1, 0, 0, 0, 1, 0], np.uint8)
    confidence = np.array([0.4, 0.5, 0.8, 0.8, 0.9, 1.0], np.float32)
    counts = reliability_counts(truth, predicted, confidence, 2, bins=2)
    np.testing.assert_array_equal(counts, [[2, 1, 900_000], [3, 2, 2_500_000]])
    low, high = abs(1 / 2 - 0.45), abs(2 / 3 - 2.5 / 3)
    assert expected_calibration_error(counts) == pytest.approx(2 / 5 * low + 3 / 5 * high)
    assert maximum_calibration_error(counts) == pytest.approx(high)


@pytest.mark.parametrize("bins", [1, 10, 15, 100, 1000])
def test_a_bin_holds_its_upper_edge_and_the_first_one_0(bins: int) -> None:
    edges = (np.arange(bins + 1) / bins).astype(np.float32)
    zeros = np.zeros(bins + 1, np.uint8)
    pixels = reliability_counts(zeros, zeros, edges, 1, bins)[:, PIXELS]
    if MILLION % bins == 0:  # the edges are whole millionths
        np.testing.assert_array_equal(pixels, [2, *[1] * (bins - 1)])
    assert pixels.sum() == bins + 1


@given(TRUTH, PREDICTED, CONFIDENCES, st.integers(1, 20))
def test_errors_follow_the_formula(truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray, bins: int) -> None:
    scores = np.rint(scores.astype(np.float64) * MILLION) / MILLION
    counts = reliability_counts(truth, predicted, scores, 2, bins)
    kept = truth != VOID_ID
    if not kept.any():
        assert math.isnan(expected_calibration_error(counts))
        assert math.isnan(maximum_calibration_error(counts))
        return
    gaps = {}
    millionths = np.rint(scores * MILLION).astype(int)
    for b in range(bins):
        # (b / bins, (b + 1) / bins] in whole numbers
        inside = (millionths * bins > b * MILLION) & (millionths * bins <= (b + 1) * MILLION)
        here = kept & (inside | ((millionths == 0) & (b == 0)))
        if here.any():
            right = (truth[here] == predicted[here]).mean()
            gaps[b] = (abs(right - scores[here].mean()), here.sum() / kept.sum())
    assert expected_calibration_error(counts) == pytest.approx(sum(gap * share for gap, share in gaps.values()))
    assert maximum_calibration_error(counts) == pytest.approx(max(gap for gap, _ in gaps.values()))


@given(TRUTH, PREDICTED, CONFIDENCES, st.integers(0, COUNT), st.randoms())
def test_counts_of_parts_in_any_order_are_exactly_those_of_the_whole(
    truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray, cut: int, random: object
) -> None:
    whole = reliability_counts(truth, predicted, scores, 2)
    order = np.random.default_rng(cut).permutation(COUNT)
    parts = [reliability_counts(truth[part], predicted[part], scores[part], 2) for part in (order[:cut], order[cut:])]
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


def test_a_network_that_is_as_right_as_it_is_sure_has_no_error() -> None:
    truth = np.zeros(100, np.uint8)
    predicted = (np.arange(100) >= 70).astype(np.uint8)
    counts = reliability_counts(truth, predicted, np.full(100, 0.7, np.float32), 2)
    assert expected_calibration_error(counts) == pytest.approx(0, abs=1e-9)


def test_the_curve_leaves_empty_bins_absent() -> None:
    counts = np.zeros((4, 3), np.int64)
    counts[3, [PIXELS, RIGHT, CONFIDENCE]] = 10, 9, 8_000_000
    curve = reliability_curve(counts)
    np.testing.assert_array_equal(curve.edges, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.accuracy, [np.nan, np.nan, np.nan, 0.9])
    np.testing.assert_allclose(curve.confidence, [np.nan, np.nan, np.nan, 0.8])


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_confidence_is_refused_unless_it_is_void(wrong: float) -> None:
    zeros = np.zeros(3, np.uint8)
    confidence = np.array([0.5, wrong, 0.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        reliability_counts(zeros, zeros, confidence, 2)
    truth = np.array([0, VOID_ID, 0], np.uint8)
    assert reliability_counts(truth, zeros, confidence, 2)[:, PIXELS].sum() == 2


def test_a_large_raster_is_counted_as_its_parts_are() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 3, (2, 500, 401)).astype(np.uint8)
    confidence = rng.random((500, 401), np.float32)
    parts = [
        reliability_counts(truth[:, part], predicted[:, part], confidence[:, part], 2)
        for part in (slice(0, 100), slice(100, 401))
    ]
    whole = reliability_counts(truth, predicted, confidence, 2)
    np.testing.assert_array_equal(parts[0] + parts[1], whole)
    assert whole[:, PIXELS].sum() == (truth < 2).sum()


def test_confidences_of_16_bits_are_counted_too() -> None:
    zeros = np.zeros(4, np.uint8)
    counts = reliability_counts(zeros, zeros, np.array([0, 0.25, 0.5, 1], np.float16), 2, bins=4)
    np.testing.assert_array_equal(counts[:, CONFIDENCE], [250_000, 500_000, 0, 1_000_000])


def test_shapes_and_bins_that_do_not_fit_are_refused() -> None:
    zeros = np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match="must be the same"):
        reliability_counts(zeros, zeros, np.zeros(2), 2)
    with pytest.raises(ValueError, match="0 bins"):
        reliability_counts(zeros, zeros, np.zeros(3), 2, bins=0)
