"""The decision rule, on tables made up by hand and by Hypothesis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ServingError
from serving.batching import BatchingOptions
from serving.tuning.choose import LEAST_NOISE, choose, compare
from serving.tuning.measurement import Measurement

OFF = BatchingOptions(enabled=False)
ON = BatchingOptions(max_batch_size=16)


def row(
    rounds: tuple[float, ...], batching: BatchingOptions = OFF, p95_ms: float = 100, clients: int = 4, failures: int = 0
) -> Measurement:
    return Measurement(
        server="on" if batching.enabled else "off",
        batching=batching,
        concurrency=clients,
        patches_per_request=1,
        rounds=rounds,
        requests=100,
        failures=failures,
        p50_ms=p95_ms / 2,
        p95_ms=p95_ms,
        p99_ms=p95_ms * 2,
    )


rates = st.floats(1, 1000)
rows = st.builds(
    row,
    rounds=st.lists(rates, min_size=1, max_size=5).map(tuple),
    batching=st.sampled_from([OFF, ON]),
    p95_ms=st.floats(1, 300),
    clients=st.integers(1, 32),
    failures=st.sampled_from([0, 0, 0, 1]),
)
tables = st.lists(rows, min_size=1, max_size=8)


@given(tables, st.floats(1, 300))
def test_the_choice_keeps_the_budget_and_is_fastest_within_noise(table: list[Measurement], budget_ms: float) -> None:
    most = max(len(one.rounds) for one in table)
    possible = [
        one for one in table if one.p95_ms <= budget_ms and not one.failures and len(one.rounds) >= min(3, most)
    ]
    if not possible:
        with pytest.raises(ServingError):
            choose(table, budget_ms)
        return
    chosen = choose(table, budget_ms).chosen
    assert chosen in possible
    same_side = [one for one in possible if one.batching.enabled == chosen.batching.enabled]
    if not chosen.batching.enabled or len(same_side) == len(possible):
        assert chosen.patches_per_second >= (1 - LEAST_NOISE) * max(one.patches_per_second for one in same_side)


@given(tables, st.floats(1, 300))
def test_batching_is_on_exactly_where_a_setting_beats_the_best_without_by_more_than_noise(
    table: list[Measurement], budget_ms: float
) -> None:
    try:
        choice = choose(table, budget_ms)
    except ServingError:
        return
    if choice.against_off is None:
        return
    most = max(len(one.rounds) for one in table)
    possible = [
        one for one in table if one.p95_ms <= budget_ms and not one.failures and len(one.rounds) >= min(3, most)
    ]
    best_off = max((one for one in possible if not one.batching.enabled), key=lambda one: one.patches_per_second)
    better = [one for one in possible if one.batching.enabled and compare(one, best_off).is_faster]
    assert choice.chosen.batching.enabled == bool(better)
    if choice.chosen.batching.enabled:
        assert choice.chosen in better


@given(tables, st.floats(1, 300), st.sampled_from([0.25, 2.0, 64.0]))
def test_a_faster_machine_chooses_alike(table: list[Measurement], budget_ms: float, speed: float) -> None:
    """Only ratios of throughput count; powers of two scale without rounding."""
    faster = [one.model_copy(update={"rounds": tuple(speed * rate for rate in one.rounds)}) for one in table]
    try:
        chosen = choose(table, budget_ms).chosen
    except ServingError:
        with pytest.raises(ServingError):
            choose(faster, budget_ms)
        return
    assert faster.index(choose(faster, budget_ms).chosen) == table.index(chosen)


def test_a_small_gain_is_not_enough_and_a_large_one_is() -> None:
    without = row((100.0, 101.0, 99.0))
    assert not choose([without, row((103.0, 104.0, 102.0), ON)], 200).chosen.batching.enabled
    choice = choose([without, row((150.0, 151.0, 149.0), ON)], 200)
    assert choice.chosen.batching.enabled
    assert "+50%" in choice.reason


def test_a_gain_that_comes_and_goes_is_noise() -> None:
    """Ratios 2, 0.7, 1.2, 0.6: median 0.95, whatever the best round was."""
    assert not choose([row((100.0,) * 4), row((200.0, 70.0, 120.0, 60.0), ON)], 200).chosen.batching.enabled


def test_rounds_are_compared_in_pairs_so_that_a_machine_that_slows_down_harms_neither() -> None:
    """The machine halves its speed every round: batching is 20 % faster each time."""
    comparison = compare(row((120.0, 60.0, 30.0), ON), row((100.0, 50.0, 25.0)))
    assert comparison.gain == pytest.approx(0.2)
    assert comparison.noise == LEAST_NOISE


def test_among_equally_fast_loads_the_one_with_fewer_patches_under_way_is_chosen() -> None:
    table = [row((97.0,) * 3, clients=4), row((100.0,) * 3, clients=16), row((90.0,) * 3, clients=1)]
    assert choose(table, 200).chosen.concurrency == 4, "97 is within 5 % of 100, 90 is not"


def test_a_setting_seen_in_passing_is_no_candidate() -> None:
    table = [row((100.0,) * 3), row((500.0,), ON)]
    assert not choose(table, 200).chosen.batching.enabled


def test_a_budget_that_nothing_keeps_is_an_error_with_the_nearest_figure() -> None:
    with pytest.raises(ServingError, match=r"within 20 ms; the soonest, off with 4 x 1 patches, took 80 ms"):
        choose([row((9.0,) * 3, p95_ms=80), row((99.0,) * 3, ON, p95_ms=300)], 20)
    with pytest.raises(ServingError, match="no measurement without failed requests"):
        choose([row((9.0,) * 3, failures=2)], 200)
