"""All figures by name: each is that of its own module, and intervals of all come from the same draws."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from components.evaluation.all_figures import (
    ScoredClasses,
    all_differences,
    all_figure_names,
    all_figures,
    all_intervals,
)
from components.evaluation.bootstrap import bootstrap_intervals
from components.evaluation.boundary_f1 import boundary_f1, mean_boundary_f1
from components.evaluation.calibration import expected_calibration_error, maximum_calibration_error
from components.evaluation.counts import EvaluationCounts, Unit
from components.evaluation.figures import figure_arrays, figures
from tests.components.evaluation.make_counts import drawn_counts, make_counts

NAMES = ("roof", "lawn", "clutter")
CLASSES = ScoredClasses(NAMES, (0, 1))


@settings(max_examples=30)
@given(drawn_counts())
def test_each_figure_is_that_of_its_module(counts: EvaluationCounts) -> None:
    found = all_figures(counts, CLASSES)
    assert sorted(found) == sorted(all_figure_names(NAMES))
    expected = figures(counts.confusion.sum(axis=0), NAMES, (0, 1))
    eroded = figures(counts.eroded.sum(axis=0), NAMES, (0, 1))
    expected |= {f"eroded/{name}": value for name, value in eroded.items()}
    boundary, reliability = counts.boundary.sum(axis=0), counts.reliability.sum(axis=0)
    expected["mean_boundary_f1"] = float(mean_boundary_f1(boundary, (0, 1)))
    expected |= {f"boundary_f1/{name}": float(f1) for name, f1 in zip(NAMES, boundary_f1(boundary), strict=True)}
    expected["expected_calibration_error"] = float(expected_calibration_error(reliability))
    expected["maximum_calibration_error"] = float(maximum_calibration_error(reliability))
    assert found == pytest.approx(expected, nan_ok=True)


def tiles(seed: int) -> EvaluationCounts:
    rng = np.random.default_rng(seed)
    matrices = rng.integers(1, 50, (10, 3, 3)) + np.eye(3, dtype=int) * 100
    return make_counts({Unit("a", i): matrix.tolist() for i, matrix in enumerate(matrices)})


def test_an_ignored_class_is_absent_everywhere() -> None:
    counts = replace(tiles(0), boundary=np.full((10, 3, 4), 5))
    assert all_figures(counts, CLASSES)["boundary_f1/clutter"] == 1
    found = all_figures(counts, ScoredClasses(NAMES, (0, 1), ignored_ids=(2,)))
    for name in ("iou/clutter", "eroded/iou/clutter", "boundary_f1/clutter"):
        assert math.isnan(found[name])
    assert not math.isnan(found["iou/roof"])


def test_what_was_not_counted_is_absent_and_has_no_interval() -> None:
    found = all_intervals(tiles(0), CLASSES, resamples=50)
    for name in ("expected_calibration_error", "boundary_f1/roof", "mean_boundary_f1"):
        assert math.isnan(found[name].value)
        assert math.isnan(found[name].low)


def test_intervals_of_all_figures_are_those_of_each() -> None:
    counts = tiles(1)
    found = all_intervals(counts, CLASSES, seed=3, resamples=200)
    alone = bootstrap_intervals(
        counts.confusion, lambda sums: figure_arrays(sums, NAMES, (0, 1)), seed=3, resamples=200
    )
    for name, interval in alone.items():
        assert found[name] == interval


def test_differences_are_paired() -> None:
    counts = tiles(1)
    found = all_differences(counts, counts, CLASSES, resamples=50)
    assert found["mean_iou"].high == found["eroded/mean_iou"].high == 0
    assert all_differences(counts, tiles(2), CLASSES, resamples=50)["mean_iou"].high != 0


def test_models_counted_on_other_units_are_not_compared() -> None:
    counts = tiles(1)
    with pytest.raises(ValueError, match="same units"):
        all_differences(counts, counts.where(lambda unit: unit.row > 0), CLASSES)
