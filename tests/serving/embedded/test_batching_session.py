import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching import BatchingOptions
from serving.embedded.batch_scheduler import BatchScheduler
from serving.embedded.batching_session import BatchingSession
from serving.embedded.status import Code, StatusError


class Doubler:
    """A session whose output `y` is twice its input `x`; remembers every batch, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        self.timeouts: list[float | None] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def run(self, feeds: Mapping[str, Any], fetches: Sequence[str], timeout: float | None = None) -> list[Any]:
        self.entered.release()
        self.gate.wait(20)
        self.batches.append(feeds["x"])
        self.timeouts.append(timeout)
        if (feeds["x"] < 0).any():
            raise StatusError(Code.INVALID_ARGUMENT, "negative", quotes_request=True)  # as a kernel's own
        return [{"y": feeds["x"] * 2, "sum": feeds["x"].sum(), "half": feeds["x"][::2]}[name] for name in fetches]


class Rig:
    def __init__(self, threads: int, **options: Any) -> None:
        self.inner = Doubler()
        self.scheduler = BatchScheduler(threads)
        self.session = BatchingSession(self.inner, self.scheduler, BatchingOptions(**options))
        self.pool = ThreadPoolExecutor(64)

    def send(self, rows: list[int], timeout: float | None = None, fetches: Sequence[str] = ("y",)) -> Any:
        feeds = {"x": np.array(rows, np.int64).reshape(len(rows), 1)}
        return self.pool.submit(self.session.run, feeds, fetches, timeout)

    def hold(self) -> Any:
        """Occupies the only thread, so that what is sent next queues up."""
        self.inner.gate.clear()
        held = self.send([0])
        self.inner.entered.acquire(timeout=5)
        return held

    def wait_for_queue(self, tasks: int) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            queued = sum(len(b.tasks) for q in self.scheduler._queues for b in q._batches)
            if queued >= tasks:
                return
            time.sleep(0.005)
        raise TimeoutError(f"{queued} tasks queued, expected {tasks}")

    def close(self) -> None:
        self.inner.gate.set()
        self.pool.shutdown()
        self.session.close()
        self.scheduler.close()


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.close()


def rig_of(rigs: list[Rig], **options: Any) -> Rig:
    rigs.append(Rig(options.pop("threads", 1), **options))
    return rigs[-1]


def rows_of(batch: np.ndarray) -> list[int]:
    return batch.ravel().tolist()


def test_a_lone_request_does_not_wait(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    assert rig.send([1, 2]).result(5)[0].tolist() == [[2], [4]]
    assert rows_of(rig.inner.batches[0]) == [1, 2]


def test_what_queues_up_runs_together_and_each_gets_its_own(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    held = rig.hold()
    sent = [rig.send([10 * i, 10 * i + 1]) for i in range(1, 4)]
    rig.wait_for_queue(3)
    rig.inner.gate.set()
    for i, future in enumerate(sent, 1):
        assert future.result(5)[0].ravel().tolist() == [20 * i, 20 * i + 2]
    held.result(5)
    assert len(rig.inner.batches) == 2
    assert sorted(rows_of(rig.inner.batches[1])) == [10, 11, 20, 21, 30, 31]


def test_a_batch_is_padded_with_row_zero_of_the_last_task(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8, allowed_batch_sizes=(4, 8))
    assert rig.send([7, 8, 9]).result(5)[0].tolist() == [[14], [16], [18]]
    assert rows_of(rig.inner.batches[0]) == [7, 8, 9, 7]


def test_a_batch_waits_for_its_timeout_or_until_it_is_full(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=4, batch_timeout_micros=300_000)
    started = time.monotonic()
    rig.send([1]).result(5)
    assert 0.25 < time.monotonic() - started < 2
    started = time.monotonic()
    futures = [rig.send([1, 2]), rig.send([3, 4])]
    for future in futures:
        future.result(5)
    assert time.monotonic() - started < 0.25
    assert sorted(rows_of(rig.inner.batches[1])) == [1, 2, 3, 4]


def test_different_outputs_never_share_a_batch(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    rig.hold()
    sent = [rig.send([1], fetches=("y",)), rig.send([2], fetches=("y", "y"))]
    rig.wait_for_queue(2)
    other = rig.send([3], fetches=("half",))
    rig.wait_for_queue(3)
    rig.inner.gate.set()
    for future in sent:
        future.result(5)
    assert other.result(5)[0].tolist() == [[3]]
    assert sorted(len(batch) for batch in rig.inner.batches) == [1, 1, 2]


def test_too_large_is_refused(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    with pytest.raises(StatusError, match="INVALID_ARGUMENT: Task size 9 is larger than maximum input batch size 8"):
        rig.send([0] * 9).result(5)


def test_a_full_queue_is_unavailable(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=2, max_enqueued_batches=2)
    rig.hold()
    waiting = [rig.send([1, 1]), rig.send([2, 2])]
    rig.wait_for_queue(2)
    with pytest.raises(
        StatusError,
        match="UNAVAILABLE: The batch scheduling queue to which this task was submitted is full; currently 2 batches "
        "enqueued and max_enqueued_batches is 2",
    ):
        rig.send([3]).result(5)
    rig.inner.gate.set()
    for future in waiting:
        future.result(5)


def test_a_large_request_is_split_and_put_together(rigs: list[Rig]) -> None:
    rig = rig_of(
        rigs, max_batch_size=64, max_execution_batch_size=4, enable_large_batch_splitting=True, max_enqueued_batches=99
    )
    rig.hold()
    small = rig.send([100])
    rig.wait_for_queue(1)
    large = rig.send(list(range(10)))
    rig.wait_for_queue(4)
    rig.inner.gate.set()
    assert large.result(5)[0].ravel().tolist() == [2 * i for i in range(10)]
    assert small.result(5)[0].tolist() == [[200]]
    # The first slice fills the open batch: 1 + 3, then 4, then 3.
    assert [rows_of(batch) for batch in rig.inner.batches[1:]] == [[100, 0, 1, 2], [3, 4, 5, 6], [7, 8, 9]]


def test_a_split_request_that_does_not_fit_says_what_fits(rigs: list[Rig]) -> None:
    rig = rig_of(
        rigs, max_batch_size=64, max_execution_batch_size=4, enable_large_batch_splitting=True, max_enqueued_batches=2
    )
    rig.hold()
    with pytest.raises(StatusError, match="task size is 10 but scheduling capacity is only 8"):
        rig.send(list(range(10))).result(5)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(-1, 1), min_size=1, max_size=9))
def test_a_task_that_fails_fails_alone(values: list[int]) -> None:
    rig = Rig(1, max_batch_size=16)
    try:
        rig.hold()
        futures = [rig.send([value, 5]) for value in values]
        rig.wait_for_queue(len(values))
        rig.inner.gate.set()
        for value, future in zip(values, futures, strict=True):
            if value < 0:
                with pytest.raises(StatusError, match="negative"):
                    future.result(5)
            else:
                assert future.result(5)[0].ravel().tolist() == [2 * value, 10]
    finally:
        rig.close()


def test_all_deadlines_past_while_queued(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    rig.hold()
    late = [rig.send([1], timeout=0.01), rig.send([2], timeout=0.02)]
    rig.wait_for_queue(2)
    time.sleep(0.05)
    rig.inner.gate.set()
    for future in late:
        with pytest.raises(StatusError, match="RESOURCE_EXHAUSTED: Run\\(\\) timeout exceeded while waiting"):
            future.result(5)


def test_a_batch_runs_until_its_latest_deadline(rigs: list[Rig]) -> None:
    rig = rig_of(rigs, max_batch_size=8)
    rig.hold()
    futures = [rig.send([1], timeout=5), rig.send([2], timeout=50)]
    rig.wait_for_queue(2)
    rig.inner.gate.set()
    for future in futures:
        future.result(5)
    assert 40 < rig.inner.timeouts[1] <= 50


def feeds_error(rig: Rig, feeds: dict[str, Any], fetches: Sequence[str] = ("y",)) -> str:
    with pytest.raises(StatusError) as caught:
        rig.session.run(feeds, fetches)
    return str(caught.value)


def test_tensors_without_a_common_first_dimension_are_refused(rigs: list[Rig]) -> None:
    rig = rig_of(rigs)
    assert "must have at least one dimension" in feeds_error(rig, {"x": np.array(1)})
    assert "must have equal 0th-dimension size" in feeds_error(rig, {"x": np.zeros((2, 1)), "z": np.zeros((3, 1))})


def test_outputs_without_the_batch_are_refused(rigs: list[Rig]) -> None:
    rig = rig_of(rigs)
    assert "Batched output tensor has 0 dimensions" in feeds_error(rig, {"x": np.ones((2, 1))}, ["sum"])
    assert "0th dimension does not equal the sum" in feeds_error(rig, {"x": np.ones((2, 1))}, ["half"])


def test_different_inner_shapes_fail_the_batch_or_are_padded(rigs: list[Rig]) -> None:
    for padding in (False, True):
        rig = rig_of(rigs, pad_variable_length_inputs=padding)
        rig.hold()
        narrow, wide = np.array([[1, 2]]), np.array([[3, 4, 5]])
        futures = [rig.pool.submit(rig.session.run, {"x": narrow}, ["y"])]
        rig.wait_for_queue(1)
        futures.append(rig.pool.submit(rig.session.run, {"x": wide}, ["y"]))
        rig.wait_for_queue(2)
        rig.inner.gate.set()
        if padding:
            assert [future.result(5)[0].tolist() for future in futures] == [[[2, 4, 2]], [[6, 8, 10]]]
        else:
            for future in futures:
                with pytest.raises(StatusError, match=r"FAILED_PRECONDITION.*padding is turned off"):
                    future.result(5)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=30),
    st.integers(1, 3),
    st.sampled_from([(), (8,), (2, 4, 8)]),
    st.booleans(),
)
def test_whatever_is_batched_every_caller_gets_its_own_rows(
    sizes: list[int], threads: int, allowed: tuple[int, ...], splitting: bool
) -> None:
    rig = Rig(
        threads,
        max_batch_size=8,
        allowed_batch_sizes=allowed,
        enable_large_batch_splitting=splitting,
        max_enqueued_batches=1000,
        batch_timeout_micros=200,
    )
    try:
        futures = [rig.send([100 * i + j for j in range(size)]) for i, size in enumerate(sizes)]
        for i, (size, future) in enumerate(zip(sizes, futures, strict=True)):
            assert future.result(10)[0].ravel().tolist() == [2 * (100 * i + j) for j in range(size)]
        assert all(len(batch) <= 8 for batch in rig.inner.batches)
        assert not allowed or all(len(batch) in allowed for batch in rig.inner.batches)
    finally:
        rig.close()
