"""Intervals by bootstrap: against every possible draw, and what must give none."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.evaluation import bootstrap
from components.evaluation.bootstrap import bootstrap_intervals, paired_differences
from components.evaluation.boundary_f1 import boundary_f1
from components.evaluation.figures import figure_arrays, figures

NAMES = ("a", "b")
FIGURES = partial(figure_arrays, class_names=NAMES, scored_ids=(0, 1))
MATRICES = hnp.arrays(np.int64, st.tuples(st.integers(2, 6), st.just(2), st.just(2)), elements=st.integers(1, 1000))


def units(count: int, seed: int = 0, right: float = 0.8) -> np.ndarray:
    """Matrices of tiles of 1000 pixels whose accuracy scatters around `right`."""
    rng = np.random.default_rng(seed)
    accuracy = np.clip(right + 0.1 * rng.standard_normal((count, 2)), 0.01, 0.99)
    hits = np.rint(500 * accuracy).astype(int)
    matrices = np.empty((count, 2, 2), int)
    matrices[:, [0, 1], [0, 1]] = hits
    matrices[:, [0, 1], [1, 0]] = 500 - hits
    return matrices


def test_percentiles_approach_those_of_all_possible_draws() -> None:
    tiles = units(4)
    draws = [sum(tiles[i] for i in drawn) for drawn in product(range(4), repeat=4)]
    every = FIGURES(np.stack(draws))
    found = bootstrap_intervals(tiles, FIGURES, resamples=20_000)
    for name in ("mean_iou", "overall_accuracy", "kappa", "iou/a"):
        spread = every[name].max() - every[name].min()
        expected = np.quantile(every[name], [0.025, 0.975])
        assert [found[name].low, found[name].high] == pytest.approx(expected, abs=0.05 * spread)
        assert found[name].value == pytest.approx(figures(tiles.sum(axis=0), NAMES, (0, 1))[name])


def test_more_tiles_narrow_the_interval_as_the_square_root() -> None:
    few, many = (bootstrap_intervals(units(count), FIGURES)["overall_accuracy"] for count in (25, 400))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.3)
    assert few.low < 0.8 < few.high


@settings(max_examples=30)
@given(MATRICES, st.integers(0, 3))
def test_the_same_seed_gives_the_same_interval_and_it_lies_among_the_units(tiles: np.ndarray, seed: int) -> None:
    once = bootstrap_intervals(tiles, FIGURES, seed=seed, resamples=200)
    again = bootstrap_intervals(tiles, FIGURES, seed=seed, resamples=200)
    assert once == again
    accuracies = FIGURES(tiles)["overall_accuracy"]
    interval = once["overall_accuracy"]
    assert accuracies.min() - 1e-12 <= interval.low <= interval.high <= accuracies.max() + 1e-12


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_intervals(units(5), FIGURES, resamples=100)
    monkeypatch.setattr(bootstrap, "_NUMBERS_AT_ONCE", 35)  # seven draws of five units
    assert bootstrap_intervals(units(5), FIGURES, resamples=100) == whole


def test_one_unit_gives_a_figure_but_no_interval() -> None:
    void = np.zeros((3, 2, 2), int)  # tiles without any labelled pixel are no units
    for tiles in (units(1), np.concatenate([units(1), void])):
        found = bootstrap_intervals(tiles, FIGURES)["mean_iou"]
        assert found.value == pytest.approx(figures(tiles.sum(axis=0), NAMES, (0, 1))["mean_iou"])
        assert found.units == 1
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_no_unit_gives_absent_figures() -> None:
    found = bootstrap_intervals(np.zeros((0, 2, 2)), FIGURES)
    assert math.isnan(found["mean_iou"].value)
    assert found["mean_iou"].units == 0


def test_a_class_that_stands_in_one_tile_alone_has_no_interval() -> None:
    tiles = np.zeros((20, 2, 2), int)
    tiles[:, 0, 0] = 90
    tiles[0, 1] = 2, 8
    found = bootstrap_intervals(tiles, FIGURES)
    assert found["recall/b"].value == pytest.approx(0.8)
    assert math.isnan(found["recall/b"].low)
    assert found["overall_accuracy"].low < found["overall_accuracy"].value


def test_any_counts_can_be_drawn() -> None:
    counts = np.random.default_rng(1).integers(50, 100, (12, 2, 4))
    found = bootstrap_intervals(counts, lambda sums: {"roof": boundary_f1(sums)[:, 0]})
    assert found["roof"].low < found["roof"].value < found["roof"].high


def test_a_model_that_is_a_little_better_everywhere_is_better_with_confidence() -> None:
    worse = units(20)
    better = worse.copy()
    better[:, 0] += [2, -2]  # 2 more of 500 in every tile: far less than the tiles differ among each other
    found = paired_differences(better, worse, FIGURES)["overall_accuracy"]
    assert found.value == pytest.approx(2 / 1000)
    assert found.low > 0
    assert found.share_above_zero == 1
    alone = bootstrap_intervals(better, FIGURES)["overall_accuracy"]
    assert alone.low < bootstrap_intervals(worse, FIGURES)["overall_accuracy"].value < alone.high


def test_models_that_differ_by_chance_are_not() -> None:
    found = paired_differences(units(20, seed=1), units(20, seed=2), FIGURES)["overall_accuracy"]
    assert found.low < 0 < found.high


def test_a_model_is_not_better_than_itself() -> None:
    found = paired_differences(units(8), units(8), FIGURES)["mean_iou"]
    assert (found.value, found.low, found.high, found.share_above_zero) == (0, 0, 0, 0)


@settings(max_examples=30)
@given(MATRICES, st.integers(0, 5))
def test_swapping_the_models_mirrors_the_difference(tiles: np.ndarray, seed: int) -> None:
    other = np.random.default_rng(seed).permutation(tiles.ravel()).reshape(tiles.shape)
    there = paired_differences(tiles, other, FIGURES, resamples=100)["mean_iou"]
    back = paired_differences(other, tiles, FIGURES, resamples=100)["mean_iou"]
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))


def test_a_difference_on_one_unit_has_no_interval() -> None:
    found = paired_differences(units(1, seed=1), units(1), FIGURES)["mean_iou"]
    assert found.value != 0
    assert math.isnan(found.low)
    assert math.isnan(found.share_above_zero)


def test_models_counted_on_other_units_are_refused() -> None:
    with pytest.raises(ValueError, match="must be the same"):
        paired_differences(units(3), units(4), FIGURES)
