from hypothesis import given
from hypothesis import strategies as st

from serving.batching import BatchingOptions
from serving.tuning.candidates import OFF, candidates, knee, queue_length
from serving.tuning.measurement import DirectPoint


def points(patches_per_second: dict[int, float]) -> list[DirectPoint]:
    return [DirectPoint(batch_size=size, seconds_per_call=size / rate) for size, rate in patches_per_second.items()]


direct_calls = st.lists(st.floats(1, 1000), min_size=1, max_size=6).map(
    lambda found: points({2**power: rate for power, rate in enumerate(found)})
)


def test_the_knee_is_the_smallest_batch_that_is_nearly_as_fast_as_the_best() -> None:
    assert knee(points({1: 40, 2: 70, 4: 96, 8: 100, 16: 90})) == 4
    assert knee(points({1: 40, 2: 70, 4: 94, 8: 100, 16: 90})) == 8
    assert knee(points({1: 50, 2: 40})) == 1


@given(direct_calls, st.integers(1, 64), st.booleans(), st.floats(1, 1e4), st.integers(1, 100))
def test_off_is_always_tried_and_batches_are_always_such_that_the_server_takes_them(
    direct: list[DirectPoint], cores: int, has_gpu: bool, budget_ms: float, largest_warmup: int
) -> None:
    found = candidates(direct, cores, has_gpu, budget_ms, largest_warmup)
    assert not found[OFF].enabled
    batched = {name: batching for name, batching in found.items() if name != OFF}
    assert len(set(map(str, batched.values()))) == len(batched) >= 2, "no setting is measured twice"
    for name, batching in batched.items():
        assert batching.enabled
        assert str(batching.execution_batch_size) in name
        batching.check_request(largest_warmup)
        # a GPU prepares every size once, so few sizes; on a CPU padding costs as much as patches
        assert bool(batching.allowed_batch_sizes) == has_gpu
        assert batching.num_batch_threads <= cores


def test_batches_that_take_longer_than_the_budget_are_not_looked_for() -> None:
    """8 patches take 80 ms and 16 take 800 ms, more than the budget of 200 ms; without a budget 16 is no better."""
    direct = points({4: 50, 8: 100, 16: 20})
    sizes = {batching.max_batch_size for batching in candidates(direct, 2, False, 200).values() if batching.enabled}
    assert sizes == {8, 32}


@given(st.integers(1, 64), st.integers(1, 64), st.floats(1, 1e4), st.floats(1, 1e4))
def test_what_waits_in_a_full_queue_is_answered_within_the_budget(
    largest: int, concurrency: int, patches_per_second: float, budget_ms: float
) -> None:
    batching = BatchingOptions(max_batch_size=largest, num_batch_threads=2)
    queue = queue_length(batching, concurrency, patches_per_second, budget_ms)
    assert queue >= concurrency, "the client that was measured is never refused"
    if queue > max(concurrency, 2):
        assert queue * largest / patches_per_second * 1e3 <= budget_ms * (1 + 1e-9)


def test_small_batches_take_the_large_requests_of_a_warm_up_by_splitting_them() -> None:
    """Batches of 8 are best, and the version is warmed up with requests of 32: a server of at most 8 refuses it."""
    direct = points({4: 50, 8: 100, 16: 90})
    found = candidates(direct, 1, has_gpu=False, budget_ms=1e4, largest_warmup=32)
    assert {(b.max_batch_size, b.execution_batch_size) for b in found.values() if b.enabled} == {(32, 8), (32, 32)}
