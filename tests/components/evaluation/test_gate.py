"""Gates: what passes, what does not, and what is said of it."""

import math

import pytest

from components.evaluation.gate import EvaluationOptions, Gate, judge


def test_a_gate_on_the_figure_itself() -> None:
    gate = Gate(metric="mean_iou", at_least=0.4)
    assert judge([gate], {"mean_iou": 0.4}, None)[0].passed
    (failed,) = judge([gate], {"mean_iou": 0.39}, None)
    assert not failed.passed
    assert failed.reason == "mean_iou is 0.3900 and does not reach 0.4"


@pytest.mark.parametrize("figures", [{}, {"iou/car": math.nan}])
def test_a_missing_or_nan_figure_fails(figures: dict[str, float]) -> None:
    (verdict,) = judge([Gate(metric="iou/car", at_least=0.0)], figures, None)
    assert not verdict.passed
    assert "absent" in verdict.reason


def test_a_gate_on_change_compares_with_the_blessed_model() -> None:
    gate = Gate(metric="mean_iou", max_drop=0.01)
    assert judge([gate], {"mean_iou": 0.491}, {"mean_iou": 0.5})[0].passed
    assert not judge([gate], {"mean_iou": 0.489}, {"mean_iou": 0.5})[0].passed
    assert not judge([gate], {"mean_iou": math.nan}, {"mean_iou": 0.5})[0].passed


def test_without_a_blessed_model_a_gate_on_change_passes_and_says_so() -> None:
    (verdict,) = judge([Gate(metric="mean_iou", max_drop=0.01)], {"mean_iou": 0.1}, None)
    assert verdict.passed
    assert "no blessed model" in verdict.reason


def test_gates_that_bound_nothing_or_no_figure_are_refused() -> None:
    with pytest.raises(ValueError, match="has no bound"):
        Gate(metric="mean_iou")
    with pytest.raises(ValueError, match="unknown metric 'miou'"):
        EvaluationOptions(gates=(Gate(metric="miou", at_least=0.5),)).check_metrics(["roof"])
    EvaluationOptions(gates=(Gate(metric="iou/roof", at_least=0.5),)).check_metrics(["roof"])
