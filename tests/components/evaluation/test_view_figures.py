"""Figures of whole tiles and of slices, beside a blessed model's."""

import math

import numpy as np
import pytest

from components.evaluation.all_figures import ScoredClasses
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.figures import figures
from components.evaluation.view_figures import BootstrapOptions, all_slices, part_of, view_figures
from tests.components.evaluation.make_counts import make_counts

CLASSES = ScoredClasses(("roof", "lawn"), (0, 1))
BOOTSTRAP = BootstrapOptions(resamples=200)
OPTIONS = CountingOptions(block_px=16, bins=4)

OURS = {
    Unit("a", 0, 0): [[8, 2], [0, 0]],
    Unit("a", 0, 1): [[5, 0], [1, 4]],
    Unit("b", 0, 0): [[0, 0], [3, 7]],
}
THEIRS = {
    Unit("a", 0, 0): [[6, 4], [0, 0]],
    Unit("a", 0, 1): [[4, 1], [2, 3]],
    Unit("b", 0, 0): [[0, 0], [4, 6]],
}


def counts(matrices: dict[Unit, list[list[int]]]) -> EvaluationCounts:
    return make_counts(matrices, OPTIONS)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("tile/a", [Unit("a", 0, 0), Unit("a", 0, 1)]),
        ("zone/a/r0c1", [Unit("a", 0, 1)]),
        ("with/roof", [Unit("a", 0, 0), Unit("a", 0, 1)]),
        ("without/roof", [Unit("b", 0, 0)]),
    ],
)
def test_a_slice_is_scored_by_its_own_units(name: str, units: list[Unit]) -> None:
    found = view_figures(counts(OURS), counts(THEIRS), CLASSES, [name], BOOTSTRAP)
    assert list(found.slices) == [name]
    for matrices, scored in ((OURS, found.slices[name].candidate), (THEIRS, found.slices[name].blessed)):
        assert scored is not None
        expected = figures(np.sum([matrices[unit] for unit in units], axis=0), CLASSES.names, CLASSES.scored_ids)
        assert {key: scored[key] for key in expected} == pytest.approx(expected, nan_ok=True)
    assert list(part_of(counts(OURS), all_slices(counts(OURS), CLASSES.names)[name]).units) == units


def test_what_is_drawn_again_is_as_configured() -> None:
    over_blocks = BOOTSTRAP.model_copy(update={"over": "blocks"})
    for bootstrap, units in ((BOOTSTRAP, 2), (over_blocks, 3)):
        found = view_figures(counts(OURS), counts(THEIRS), CLASSES, [], bootstrap)
        difference = found.differences["overall_accuracy"]
        assert difference.units == units
        assert difference.value == pytest.approx(24 / 30 - 19 / 30)
        assert bootstrap.intervals(counts(OURS), CLASSES)["overall_accuracy"].units == units


def test_a_slice_of_one_tile_has_no_interval_over_tiles_but_one_over_blocks() -> None:
    over_blocks = BOOTSTRAP.model_copy(update={"over": "blocks"})
    for bootstrap, has_none in ((BOOTSTRAP, True), (over_blocks, False)):
        found = view_figures(counts(OURS), counts(THEIRS), CLASSES, ["tile/a"], bootstrap)
        assert math.isnan(found.slices["tile/a"].differences["overall_accuracy"].low) is has_none


def test_without_a_blessed_model_nothing_is_compared_and_slices_without_units_are_left_out() -> None:
    found = view_figures(counts(OURS), None, CLASSES, ["tile/a", "tile/gone"], BOOTSTRAP, "it has other classes")
    assert list(found.slices) == ["tile/a"]
    for figures_ in (found, found.slices["tile/a"]):
        assert (figures_.blessed, dict(figures_.differences)) == (None, {})
        assert figures_.not_compared == "it has other classes"
