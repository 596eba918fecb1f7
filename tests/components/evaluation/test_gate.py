"""Gates: what passes, what does not, and what is said of it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from components.evaluation.bootstrap import Difference
from components.evaluation.evaluation_options import EvaluationOptions
from components.evaluation.gate import Gate, ViewFigures, judge
from components.evaluation.gate_options import check_gates, check_places
from components.evaluation.gate_verdicts import read_verdicts, write_verdicts


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


@pytest.mark.parametrize(("value", "passes"), [(0.3, True), (0.0, False), (math.nan, False)])
def test_from_absent_to_nothing_but_mistakes_is_a_drop(value: float, passes: bool) -> None:
    (verdict,) = judge([Gate(metric="precision/car", max_drop=2)], {"precision/car": value}, {})
    assert verdict.passed is passes
    assert verdict.bound == "at most 2 below the blessed model's, which is absent"


def test_without_a_blessed_model_a_gate_on_change_passes_and_says_so() -> None:
    (verdict,) = judge([Gate(metric="mean_iou", max_drop=0.01)], {"mean_iou": 0.1}, None)
    assert verdict.passed
    assert "no blessed model" in verdict.reason


def test_gates_that_bound_nothing_or_no_figure_are_refused() -> None:
    with pytest.raises(ValueError, match="has no bound"):
        Gate(metric="mean_iou")
    with pytest.raises(ValueError, match="unknown metric 'miou'"):
        EvaluationOptions(gates=(Gate(metric="miou", at_least=0.5),)).check_names(["roof"])
    EvaluationOptions(gates=(Gate(metric="iou/roof", at_least=0.5),)).check_names(["roof"])


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"metric": "expected_calibration_error", "view": "tiles", "at_least": 0.1}, "by at_most"),
        ({"metric": "kappa", "at_least": 0.5, "at_most": 0.4}, "no kappa is at least 0.5 and at most 0.4"),
    ],
)
def test_bounds_that_ask_for_the_worse_or_for_nothing_there_can_be_are_refused(gate: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gate.model_validate(gate)


@pytest.mark.parametrize("metric", ["pixels", "eroded/pixels", "lava"])
def test_what_no_bound_can_fit_is_no_metric_and_all_kinds_of_metrics_are_told(metric: str) -> None:
    with pytest.raises(ValueError, match=r"after eroded/; .* expected_calibration_error.* and boundary_f1/"):
        check_gates([Gate(metric=metric, at_least=0.1)], ["roof"])


def test_on_whole_tiles_no_gate_asks_for_an_ignored_class() -> None:
    every = (Gate(metric="iou/*", view="tiles", at_least=0.1), Gate(metric="eroded/f1/*", at_least=0.1))
    options = EvaluationOptions(ignored=("car",), gates=every)
    options.check_names(["roof", "car"])
    asked = [gate.metric for gate in options.for_classes(["roof", "car"]).gates]
    assert asked == ["iou/roof", "eroded/f1/roof", "eroded/f1/car"]  # patches do not ignore it
    for metric in ("iou/car", "eroded/recall/car", "boundary_f1/car"):
        never = EvaluationOptions(ignored=("car",), gates=(Gate(metric=metric, view="tiles", at_least=0.1),))
        with pytest.raises(ValueError, match=f"{metric} can never pass"):
            never.check_names(["roof", "car"])
    with pytest.raises(ValueError, match="every class"):
        EvaluationOptions(ignored=("car", "roof")).check_names(["roof", "car"])


@pytest.mark.parametrize("place", ["tile/b", "zone/b/r0c0", "tile/a/r0c0"])
def test_a_slice_of_a_tile_that_is_not_evaluated_is_refused(place: str) -> None:
    known = [Gate(metric="kappa", view="tiles", slice=name, at_least=0) for name in ("tile/a", "zone/a/r0c1")]
    check_places([*known, Gate(metric="kappa", at_least=0)], {"a"})
    with pytest.raises(ConfigError, match=f"slice '{place}', and no such tile is evaluated"):
        check_places([*known, Gate(metric="kappa", view="tiles", slice=place, at_least=0)], {"a"})


def interval(low: float, high: float) -> Difference:
    return Difference((low + high) / 2, low, high, 1.0, 7)


def test_of_a_calibration_error_less_is_better() -> None:
    name = "expected_calibration_error"
    gate = Gate(metric=name, view="tiles", at_most=0.1, max_drop=0.02)
    found = [verdict.passed for verdict in judge([gate], {}, None, tiles=ViewFigures({name: 0.1}, {name: 0.09}))]
    assert found == [True, True]
    exceeds, worse = judge([gate], {}, None, tiles=ViewFigures({name: 0.12}, {name: 0.09}))
    assert (exceeds.passed, worse.passed) == (False, False)
    assert exceeds.reason == f"{name} of whole tiles is 0.1200 and exceeds 0.1"
    assert worse.bound == "at most 0.02 above the blessed model's 0.0900"
    assert judge([gate], {}, None, tiles=ViewFigures({name: 0.02}, {name: 0.09}))[1].passed


@pytest.mark.parametrize(
    ("metric", "low", "high", "passes"),
    [
        ("mean_iou", 0.001, 0.02, True),
        ("mean_iou", -0.001, 0.02, False),
        ("mean_iou", math.nan, math.nan, False),
        ("expected_calibration_error", -0.02, -0.001, True),
        ("expected_calibration_error", 0.001, 0.02, False),
    ],
)
def test_better_with_confidence_means_that_the_interval_lies_on_the_better_side_of_zero(
    metric: str, low: float, high: float, passes: bool
) -> None:
    gate = Gate(metric=metric, view="tiles", confidently_better=True)
    tiles = ViewFigures({metric: 0.5}, {metric: 0.49}, {metric: interval(low, high)})
    (verdict,) = judge([gate], {}, None, tiles=tiles)
    assert verdict.passed is passes
    assert f"over {7} units" in verdict.reason or "no interval" in verdict.reason


def test_gates_on_whole_tiles_look_at_nothing_else() -> None:
    gate = Gate(metric="mean_iou", view="tiles", at_least=0.5)
    of_patches = Gate(metric="mean_iou", at_least=0.5)
    verdicts = judge([gate, of_patches], {"mean_iou": 0.9}, None, tiles=ViewFigures({"mean_iou": 0.1}))
    assert [(verdict.view, verdict.passed) for verdict in verdicts] == [("tiles", False), ("patches", True)]
    assert not judge([gate], {"mean_iou": 0.9}, None)[0].passed


def test_a_gate_on_a_slice_is_judged_by_the_slice() -> None:
    gate = Gate(metric="iou/roof", view="tiles", slice="with/roof", at_least=0.5, max_drop=0.1)
    tiles = ViewFigures(
        {"iou/roof": 0.1}, {"iou/roof": 0.1}, slices={"with/roof": ViewFigures({"iou/roof": 0.6}, {"iou/roof": 0.8})}
    )
    verdicts = judge([gate], {}, None, tiles=tiles)
    assert [verdict.passed for verdict in verdicts] == [True, False]
    assert verdicts[0].reason == "iou/roof of whole tiles in with/roof is 0.6000 and reaches 0.5"
    assert verdicts[0].slice == "with/roof"
    missing = judge([gate.model_copy(update={"slice": "tile/gone"})], {}, None, tiles=tiles)
    assert [verdict.passed for verdict in missing] == [False, False]


def test_an_absent_figure_fails_a_gate_on_change_too_even_without_a_blessed_model() -> None:
    gate = Gate(metric="iou/car", view="tiles", max_drop=0.1, confidently_better=True)
    assert [verdict.passed for verdict in judge([gate], {}, None, tiles=ViewFigures({}))] == [False, False]
    of_patches = Gate(metric="iou/car", max_drop=0.1)
    assert not judge([of_patches], {}, None)[0].passed
    assert not judge([of_patches], {}, {})[0].passed


def test_why_a_blessed_model_is_not_compared_is_said() -> None:
    gate = Gate(metric="mean_iou", view="tiles", confidently_better=True)
    (verdict,) = judge([gate], {}, None, tiles=ViewFigures({"mean_iou": 0.3}, not_compared="it has other bands"))
    assert verdict.passed
    assert verdict.reason == "mean_iou of whole tiles is 0.3000; it has other bands"


def test_what_patches_cannot_tell_is_refused_there() -> None:
    for given in ({"slice": "tile/a", "at_least": 0.1}, {"confidently_better": True}):
        with pytest.raises(ValueError, match="add view: tiles"):
            Gate(metric="mean_iou", **given)
    with pytest.raises(ValueError, match="needs view: tiles"):
        check_gates([Gate(metric="mean_boundary_f1", at_least=0.1)], ["roof"])
    check_gates([Gate(metric="mean_boundary_f1", view="tiles", at_least=0.1)], ["roof"])
    check_gates([Gate(metric="eroded/mean_iou", at_least=0.1)], ["roof"])
    with pytest.raises(ValueError, match="one of the classes roof"):
        check_gates([Gate(metric="mean_iou", view="tiles", slice="with/lava", at_least=0.1)], ["roof"])
    with pytest.raises(ValueError, match="slice 'north'"):
        Gate(metric="mean_iou", view="tiles", slice="north", at_least=0.1)


def test_the_strictest_of_several_gates_on_one_figure_is_tfma_s_threshold() -> None:
    from components.classes import ClassTable, LandClass
    from components.evaluation.eval_config import build_eval_config

    table = ClassTable(classes=(LandClass(name="roof", color=(1, 0, 0)), LandClass(name="lawn", color=(2, 0, 0))))
    gates = [
        Gate(metric="kappa", at_least=0.5, max_drop=0.02),
        Gate(metric="kappa", at_least=0.3, max_drop=0.05),
        Gate(metric="iou/roof", max_drop=0.1),
        Gate(metric="mcc", view="tiles", at_least=0.9),
    ]
    (spec,) = build_eval_config(table, gates, compare=True).metrics_specs
    found = {name: per.thresholds[0].threshold for name, per in spec.per_slice_thresholds.items()}
    assert sorted(found) == ["iou/roof", "kappa"]
    assert found["kappa"].value_threshold.lower_bound.value == 0.5
    assert found["kappa"].change_threshold.absolute.value == -0.02
    assert found["iou/roof"].value_threshold.lower_bound.value == -1


def test_a_gate_on_every_class_is_one_for_each() -> None:
    options = EvaluationOptions(gates=(Gate(metric="iou/*", max_drop=0.02), Gate(metric="kappa", at_least=0.1)))
    assert [gate.metric for gate in options.for_classes(["roof", "a/b"]).gates] == ["iou/roof", "iou/a/b", "kappa"]
    options.check_names(["roof"])
    with pytest.raises(ValueError, match=r"unknown metric 'roughness/roof'"):
        EvaluationOptions(gates=(Gate(metric="roughness/*", at_least=0.1),)).check_names(["roof"])


def test_verdicts_survive_their_file(tmp_path: Path) -> None:
    gates = [Gate(metric="iou/car", at_least=0.0), Gate(metric="kappa", view="tiles", slice="tile/a", max_drop=0.1)]
    verdicts = judge(gates, {"iou/car": 0.25}, None, tiles=ViewFigures({}))
    write_verdicts(str(tmp_path), verdicts)
    read = read_verdicts(str(tmp_path))
    assert read[0] == verdicts[0]
    assert replace(read[1], value=0.0) == replace(verdicts[1], value=0.0)
    assert math.isnan(read[1].value)
    with pytest.raises(DataError, match=r"gates\.json"):
        read_verdicts(str(tmp_path / "nowhere"))
