"""Stability index and Jensen-Shannon divergence: by hand, by SciPy, and by what must hold of any histograms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from components.drift.chance import LEAST_TILES, index_by_chance
from components.drift.divergence import (
    LEAST_SHARE,
    grouped,
    jensen_shannon,
    level_of,
    population_stability_index,
    quantile_cuts,
)

counts = st.lists(st.integers(0, 10**9), min_size=6, max_size=6).filter(any)


def test_the_index_is_as_worked_by_hand() -> None:
    # Shares 1/2, 1/2 against 1/4, 3/4: (-1/4) ln(1/2) + (1/4) ln(3/2) = (1/4) ln 3
    assert population_stability_index([50, 50], [100, 300]) == pytest.approx(math.log(3) / 4)


def test_an_empty_group_counts_as_the_least_share() -> None:
    by_hand = (LEAST_SHARE - 0.5) * math.log(LEAST_SHARE / 0.5) + 0.5 * math.log(1 / 0.5)
    assert population_stability_index([5, 5], [0, 7]) == pytest.approx(by_hand)
    assert population_stability_index([5, 5, 0], [5, 5, 0]) == 0
    # What is rarer than that on both sides is nobody's drift.
    assert population_stability_index([10**6, 1], [10**6, 50]) == pytest.approx(0, abs=1e-8)


@given(counts, counts, st.integers(1, 1000))
def test_the_index_is_a_distance_of_shares(one: list[int], other: list[int], times: int) -> None:
    index = population_stability_index(one, other)
    assert index >= 0
    assert population_stability_index(one, one) == 0
    assert population_stability_index(other, one) == pytest.approx(float(index))
    assert population_stability_index(one, np.array(other) * times) == pytest.approx(float(index), abs=1e-12)


@given(counts, counts)
def test_jensen_shannon_is_scipys(one: list[int], other: list[int]) -> None:
    expected = jensenshannon(np.array(one, float), np.array(other, float), base=2) ** 2
    assert jensen_shannon(one, other) == pytest.approx(expected, abs=1e-7)


def test_nothing_counted_is_no_index() -> None:
    assert np.isnan(population_stability_index([1, 2], [0, 0]))
    assert np.isnan(jensen_shannon([0, 0], [1, 2]))


def test_many_histograms_at_once() -> None:
    stack = np.array([[5, 5], [1, 3]])
    np.testing.assert_allclose(population_stability_index([5, 5], stack), [0, math.log(3) / 4])


def test_the_customary_words() -> None:
    assert [level_of(x) for x in (0.0, 0.0999, 0.1, 0.25, 0.2501)] == ["none", "none", "some", "some", "large"]


def test_cuts_part_even_values_into_tenths_and_leave_the_ends_open() -> None:
    bins, ones = np.arange(100), np.ones(100, int)
    cuts = quantile_cuts(bins, ones, 10)
    assert grouped(bins, ones, cuts).tolist() == [0, *[10] * 10, 0]
    assert grouped([-3, 0, 99, 100, 500], [1, 1, 1, 1, 1], cuts).tolist() == [1, 1, *[0] * 8, 1, 2]


@given(st.dictionaries(st.integers(-500, 500), st.integers(1, 10**6), min_size=1, max_size=60), st.integers(2, 12))
def test_every_group_of_the_reference_but_the_open_ends_holds_pixels(histogram: dict[int, int], groups: int) -> None:
    bins = sorted(histogram)
    weights = [histogram[place] for place in bins]
    sums = grouped(bins, weights, quantile_cuts(bins, weights, groups))
    assert (sums[0], sums[-1]) == (0, 0)
    assert sums[1:-1].all()
    assert sums.sum() == sum(weights)
    assert len(sums) <= groups + 2


def test_a_band_of_one_value_still_sees_others() -> None:
    cuts = quantile_cuts([7], [100], 10)
    assert population_stability_index(grouped([7], [100], cuts), grouped([9], [100], cuts)) > 1


def test_tiles_that_are_alike_give_no_index_by_chance_and_unlike_ones_less_the_more_are_drawn() -> None:
    assert index_by_chance([[30, 70]] * LEAST_TILES, 3) == pytest.approx(0)
    lakes = [[100, 0]] * 3 + [[0, 100]] * 17
    few, many = index_by_chance(lakes, 1), index_by_chance(lakes, 200)
    assert few is not None
    assert many is not None
    assert few > 1 > 0.1 > many


def test_few_tiles_say_nothing_of_chance() -> None:
    assert index_by_chance([[1, 2]] * (LEAST_TILES - 1), 3) is None
    assert index_by_chance([], 3) is None
    assert index_by_chance([[1, 2]] * (LEAST_TILES - 1) + [[0, 0]] * 9, 3) is None
