"""Differences are paired where both versions saw the same ground, and claim nothing where they did not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from components.evaluation.all_figures import CALIBRATION_ERROR, ScoredClasses
from components.evaluation.bootstrap import Difference
from components.evaluation.counts import EvaluationCounts
from tests.components.evaluation.make_counts import drawn_counts
from tfx_pipeline.report.compare_views import (
    BETTER,
    UNDECIDED,
    UNKNOWN,
    WORSE,
    ComparedFigure,
    ComparedView,
    common_units,
    compare_view,
)

from .make_versions import CLASSES, NASTY, counts_of, evidence

POOR = {"a": 60, "b": 65, "c": 58, "d": 61}
GOOD = {"a": 90, "b": 93, "c": 88, "d": 91}


def compared(a: EvaluationCounts, b: EvaluationCounts) -> ComparedView:
    view = compare_view("tiles", "Whole tiles", evidence(a), evidence(b))
    assert view is not None
    return view


def test_a_better_version_is_called_better_by_paired_bootstrap() -> None:
    view = compared(counts_of(POOR), counts_of(GOOD))
    accuracy = view.figures["overall_accuracy"]
    assert accuracy.difference.value == pytest.approx((sum(GOOD.values()) - sum(POOR.values())) / 400)
    low, high = accuracy.difference.low, accuracy.difference.high
    assert 0.28 - 1e-9 <= low < high <= 0.30 + 1e-9  # tile by tile: 0.30, 0.28, 0.30, 0.30
    assert accuracy.verdict == BETTER
    assert compared(counts_of(GOOD), counts_of(POOR)).figures["overall_accuracy"].verdict == WORSE
    assert view.figures["iou/lava"].verdict == UNKNOWN, "absent in both"
    assert view.paired == 4
    assert "take a verdict as a hint" in view.note


def test_less_is_better_for_calibration_errors() -> None:
    fallen = ComparedFigure(CALIBRATION_ERROR, None, None, Difference(-0.1, -0.2, -0.05, 0.0, 9))
    assert fallen.verdict == BETTER
    assert replace(fallen, name="kappa").verdict == WORSE
    assert replace(fallen, difference=Difference(0.0, -0.1, 0.1, 0.5, 9)).verdict == UNDECIDED


@settings(max_examples=15, deadline=None)
@given(drawn_counts())
def test_a_version_differs_in_nothing_from_itself(counts: EvaluationCounts) -> None:
    view = compare_view("tiles", "", evidence(counts), evidence(counts))
    assert view is not None
    for figure in view.figures.values():
        assert figure.difference.value == 0 or math.isnan(figure.difference.value)
        assert figure.verdict in (UNDECIDED, UNKNOWN)


def test_exchanging_the_versions_turns_every_difference_round() -> None:
    there, back = compared(counts_of(POOR), counts_of(GOOD)), compared(counts_of(GOOD), counts_of(POOR))
    for name, figure in there.figures.items():
        other = back.figures[name].difference
        found = [figure.difference.value, figure.difference.low, figure.difference.high]
        np.testing.assert_allclose(found, [-other.value, -other.high, -other.low])
    assert there.share_difference is not None
    assert back.share_difference is not None
    np.testing.assert_allclose(there.share_difference, -back.share_difference)


def test_only_tiles_with_the_same_truth_are_compared() -> None:
    larger = counts_of({**GOOD, "new": 1})
    view, alone = compared(counts_of(POOR), larger), compared(counts_of(POOR), counts_of(GOOD))
    assert repr(view.figures) == repr(alone.figures), "NaN equals nothing, its text does"
    assert "4 tile(s)" in view.note
    relabelled = counts_of(GOOD, truth=200)
    assert common_units(counts_of(POOR), relabelled) is None
    view = compared(counts_of(POOR), relabelled)
    assert view.paired == 0
    assert "different tiles, or on tiles whose truth has changed" in view.note
    assert {figure.verdict for figure in view.figures.values()} == {UNKNOWN}


def test_what_cannot_be_paired_says_why() -> None:
    poor, good = evidence(counts_of(POOR)), evidence(counts_of(GOOD))
    of_card = compare_view("tiles", "", poor, evidence(counts_of(GOOD), keep_counts=False))
    assert of_card is not None
    assert "from its model card" in of_card.note
    assert of_card.figures["overall_accuracy"].difference.value == pytest.approx(0.295)
    assert of_card.share_difference is not None
    renamed = replace(good, classes=ScoredClasses(("ground", NASTY, "ice"), CLASSES.scored_ids))
    others = compare_view("tiles", "", poor, renamed)
    assert others is not None
    assert "different classes" in others.note
    assert others.share_difference is None
    single = compare_view("tiles", "", None, good)
    assert single is not None
    assert single.figures["kappa"].a is None
    assert compare_view("tiles", "", None, None) is None
