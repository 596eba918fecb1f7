"""Which loads are measured, how often and in which order; servers, clients and the clock are made up."""

from pathlib import Path
from typing import Any

import pytest

from serving.batching import BatchingOptions
from serving.tuning import measure_servers
from serving.tuning.measure_servers import ServerMeasuring, Target
from serving.tuning.server_metrics import BatchCounts

TARGETS = [
    Target("off", BatchingOptions(enabled=False), "off:1", 1, 0),
    Target("on", BatchingOptions(max_batch_size=4), "on:1", 2, 0),
]


class FakeLoad:
    """Clients of a server that takes `seconds_per_patch` for each patch, one after another; time is its own."""

    def __init__(self, seconds_per_patch: float, interrupt_after: int = 10**9, refuses: str = "") -> None:
        self.seconds_per_patch = seconds_per_patch
        self.interrupt_after = interrupt_after
        self.refuses = refuses
        self.now = 0.0
        self.jobs: list[dict[str, Any]] = []

    def clock(self) -> float:
        return self.now

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        if len(self.jobs) >= self.interrupt_after:
            raise KeyboardInterrupt
        self.jobs.append(job)
        patches = int(Path(job["request_file"]).stem)
        latency = job["concurrency"] * patches * self.seconds_per_patch
        asked = max(1, round(job["seconds"] / latency))
        self.now += asked * latency
        refused = self.refuses and self.refuses in job["address"]
        return {
            "seconds": asked * latency,
            "latencies_ms": [] if refused else [latency * 1e3] * asked * job["concurrency"],
            "failures": {"UNAVAILABLE": 3} if refused else {},
            "cpu_seconds": 0.0,
            "answer_bytes": 1,
        }

    @property
    def loads(self) -> list[tuple[str, int, int]]:
        return [(job["address"][:-2], job["concurrency"], int(Path(job["request_file"]).stem)) for job in self.jobs]


@pytest.fixture(autouse=True)
def _no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_servers, "read_batch_counts", lambda port: BatchCounts(0, 0, 0))


def measuring(load: FakeLoad, budget_ms: float = 1000, patches: tuple[int, ...] = (1, 4, 16)) -> ServerMeasuring:
    requests = {count: Path(f"{count}.pb") for count in patches}
    return ServerMeasuring(TARGETS, load, requests, budget_ms, clock=load.clock)  # type: ignore[arg-type]


def test_promising_loads_are_measured_in_turns_until_the_time_is_used() -> None:
    load = FakeLoad(seconds_per_patch=0.002)
    rows = measuring(load).run((1, 2, 4), seconds=60)
    assert 40 < load.now < 75
    thorough = [row for row in rows if len(row.rounds) >= 3]
    assert {row.batching.enabled for row in thorough} == {False, True}
    assert len({len(row.rounds) for row in thorough}) == 1, "rounds take turns"
    last = load.loads[-len(thorough) :]
    assert len(set(last)) == len(thorough)
    # by hand: 500 patches a second, whatever the load
    assert all(row.patches_per_second == pytest.approx(500) for row in rows)


def test_requests_larger_than_a_batch_are_never_sent_to_a_server_that_refuses_them() -> None:
    load = FakeLoad(0.001)
    measuring(load).run((1, 2), seconds=5)
    assert ("off", 1, 16) in load.loads
    assert not [one for one in load.loads if one[0] == "on" and one[2] > 4]


def test_a_slow_model_is_not_buried_under_heavy_loads() -> None:
    """2 s a patch and a budget of 1 s: one patch takes 2 s, two take 4 s; 16 x 16 would take 512 s."""
    load = FakeLoad(seconds_per_patch=2.0)
    measuring_ = measuring(load, budget_ms=1000)
    measuring_.run((1, 2, 4, 8, 16), seconds=30)
    warm_up, rest = load.loads[:6], load.loads[6:]
    assert {one[1] for one in warm_up} == {1}
    assert max(clients * patches for _, clients, patches in rest) <= 4


def test_interrupted_early_nothing_is_decided_and_later_it_is() -> None:
    whole = FakeLoad(0.002)
    looks = len(measuring(whole, patches=(1, 4)).run((1, 2), seconds=3))
    warm_ups = 2 * 2
    early = measuring(FakeLoad(0.002, interrupt_after=warm_ups + looks + 1), patches=(1, 4))
    with pytest.raises(KeyboardInterrupt):
        early.run((1, 2), seconds=3)
    assert len(early.rows) == looks, "the table is kept"
    assert not early.can_decide, "only one finalist had its round"
    late = measuring(FakeLoad(0.002, interrupt_after=len(whole.jobs) - 1), patches=(1, 4))
    with pytest.raises(KeyboardInterrupt):
        late.run((1, 2), seconds=3)
    assert late.can_decide


def test_a_server_that_refuses_everything_is_a_row_with_failures() -> None:
    rows = measuring(FakeLoad(0.01, refuses="on")).run((1, 2), seconds=3)
    refused = [row for row in rows if row.server == "on"]
    assert refused
    assert all(row.failures and not row.requests for row in refused)
    assert any(len(row.rounds) >= 3 for row in rows if row.server == "off")
