"""Measures running servers under loads, in rounds that take turns, until the time is used."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.batching import BatchingOptions
from serving.tuning.measurement import Measurement, Rounds
from serving.tuning.server_metrics import cpu_seconds, read_batch_counts
from serving.tuning.worker import Worker

_LOOK_SHARE = 0.4
"""Of the time, for one short look at every load; the rest goes to the ones worth it."""
_ONE_REQUEST = 1e-3
"""Seconds after which no client asks again: each has asked once."""
_COLD = 10.0
"""Times a warm request, a first one may take so long."""
_LEAST_SLICE, _MOST_SLICE = 0.25, 5.0
_ROUNDS_WANTED = 5
_ROUNDS_NEEDED = 3
_FINALISTS = 4
"""Loads of each side, batching off and on, that are measured thoroughly."""
_HOPELESS = 2.0
"""Times the budget: when half of a load's requests take so long, heavier loads are not tried."""


@dataclass(frozen=True)
class Target:
    """A running server.

    Attributes:
        name: The setting's name.
        batching: The setting.
        address: `host:port`.
        rest_port: Where it shows its metrics.
        pid: Its process.
    """

    name: str
    batching: BatchingOptions
    address: str
    rest_port: int
    pid: int


class ServerMeasuring:
    """Measures targets under loads; `rows` is the table so far, also after an interruption.

    Args:
        targets: The servers.
        load: A `serving.tuning.load` process.
        requests: Patches a request -> a file with such a request.
        budget_ms: Loads that answer far later are dropped early.
        say: Told what is being done.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        load: Worker,
        requests: Mapping[int, Path],
        budget_ms: float,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._targets = targets
        self._load = load
        self._requests = requests
        self._budget_ms = budget_ms
        self._say = say
        self._clock = clock
        self._looks: dict[tuple[str, int, int], Rounds] = {}
        self._finals: dict[tuple[str, int, int], Rounds] = {}

    @property
    def rows(self) -> list[Measurement]:
        """One row a server and load: thorough measurements where there are some, else the short look."""
        found = {**self._looks, **{key: rounds for key, rounds in self._finals.items() if rounds.patches_per_second}}
        return [rounds.summary() for rounds in found.values()]

    @property
    def can_decide(self) -> bool:
        """Whether at least one thorough round of every finalist is there."""
        return bool(self._finals) and all(rounds.patches_per_second for rounds in self._finals.values())

    def run(self, concurrency: Sequence[int], seconds: float) -> list[Measurement]:
        """Looks at every load once, then measures the promising ones in turns, at least three rounds each.

        Args:
            concurrency: Numbers of clients.
            seconds: About how long; slow models take longer, since every client waits for its last answer.

        Returns:
            `rows`.
        """
        loads = list(self._loads(concurrency))
        piece = min(max(_LOOK_SHARE * seconds / max(1, len(loads)), _LEAST_SLICE), _MOST_SLICE)
        self._warm_up(loads)
        began = self._clock()
        self._say(f"a look at {len(loads)} loads, {piece:.2g} s each")
        for target, clients, patches in loads:
            late = self._clock() - began > 1.5 * _LOOK_SHARE * seconds and clients * patches > 1
            if late or self._is_hopeless(target.name, clients, patches):
                continue
            rounds = self._rounds(self._looks, target, clients, patches)
            self._round(target, rounds, piece)
        finalists = self._finalists(concurrency)
        for target, clients, patches in finalists:
            self._rounds(self._finals, target, clients, patches)
        left = seconds - (self._clock() - began)
        piece = min(max(left / (_ROUNDS_WANTED * max(1, len(finalists))), 2 * _LEAST_SLICE), _MOST_SLICE)
        self._say(f"{len(finalists)} of them thoroughly, {piece:.2g} s each a round")
        number = 0
        while number < _ROUNDS_NEEDED or self._clock() - began + len(finalists) * piece < seconds:
            for target, clients, patches in finalists:
                self._round(target, self._rounds(self._finals, target, clients, patches), piece)
            number += 1
        return self.rows

    def _warm_up(self, loads: Sequence[tuple[Target, int, int]]) -> None:
        """A request of each size to each server, thrown away: the first one prepares, and takes many times as long."""
        sizes = {(patches, target.name): (target, patches) for target, _, patches in loads}
        slow = set()
        for _, (target, patches) in sorted(sizes.items(), key=lambda size: size[0]):
            if target.name not in slow:
                rounds = Rounds(target.name, target.batching, 1, patches)
                self._round(target, rounds, _ONE_REQUEST)
                if not rounds.latencies_ms or rounds.latencies_ms[0] > _HOPELESS * _COLD * self._budget_ms:
                    slow.add(target.name)

    def _loads(self, concurrency: Sequence[int]) -> Iterator[tuple[Target, int, int]]:
        """Light loads first; the servers side by side, so that they meet the same minute."""
        pairs = [(clients, patches) for clients in concurrency for patches in self._requests]
        for clients, patches in sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[1])):
            for target in self._targets:
                if not target.batching.enabled or patches <= target.batching.max_batch_size:
                    yield target, clients, patches

    def _is_hopeless(self, server: str, clients: int, patches: int) -> bool:
        return any(
            name == server
            and lighter <= clients
            and smaller <= patches
            and (not rounds.latencies_ms or rounds.summary().p50_ms > _HOPELESS * self._budget_ms)
            for (name, lighter, smaller), rounds in self._looks.items()
        )

    def _finalists(self, concurrency: Sequence[int]) -> list[tuple[Target, int, int]]:
        chosen = finalists([rounds.summary() for rounds in self._looks.values()], self._budget_ms)
        keys = {(row.server, row.concurrency, row.patches_per_request) for row in chosen}
        return [load for load in self._loads(concurrency) if (load[0].name, load[1], load[2]) in keys]

    def _rounds(self, table: dict[tuple[str, int, int], Rounds], target: Target, clients: int, patches: int) -> Rounds:
        fresh = Rounds(target.name, target.batching, clients, patches)
        return table.setdefault((target.name, clients, patches), fresh)

    def _round(self, target: Target, rounds: Rounds, seconds: float) -> None:
        measure_round(self._load, target, rounds, self._requests[rounds.patches_per_request], seconds, self._budget_ms)


def measure_round(
    load: Worker,
    target: Target,
    rounds: Rounds,
    request: Path,
    seconds: float,
    budget_ms: float = 1000.0,
    read: str = "",
) -> int:
    """Adds one round to `rounds`.

    Args:
        load: A `serving.tuning.load` process.
        target: The server.
        rounds: Takes the round, and says how many clients ask.
        request: A file with a serialised request of `rounds.patches_per_request` patches.
        seconds: Until no client asks again.
        budget_ms: A request is given up after twenty times this, at least a minute.
        read: An output that clients turn into an array; "" leaves answers as bytes.

    Returns:
        Bytes of one answer.
    """
    counts, cpu = read_batch_counts(target.rest_port), cpu_seconds(target.pid)
    answer = load.ask(
        {
            "address": target.address,
            "request_file": str(request),
            "concurrency": rounds.concurrency,
            "seconds": seconds,
            "timeout_seconds": max(60.0, 20 * budget_ms / 1e3),
            "read": read,
        }
    )
    cpu_after = cpu_seconds(target.pid)
    rounds.add(
        answer["seconds"],
        answer["latencies_ms"],
        sum(answer["failures"].values()),
        answer["cpu_seconds"],
        None if cpu is None or cpu_after is None else cpu_after - cpu,
        read_batch_counts(target.rest_port) - counts,
    )
    return int(answer["answer_bytes"])


def finalists(looks: Sequence[Measurement], budget_ms: float) -> list[Measurement]:
    """The rows worth a thorough measurement: of each side, batching off and on, the fastest that may keep the budget.

    A short look sees few requests, so it is allowed a quarter more; where nothing keeps that, the soonest goes on.
    """
    found: list[Measurement] = []
    for is_batched in (False, True):
        side = [row for row in looks if row.batching.enabled == is_batched and row.requests]
        near = [row for row in side if row.p95_ms <= 1.25 * budget_ms and not row.failures]
        near.sort(key=lambda row: row.patches_per_second, reverse=True)
        soonest = sorted(side, key=lambda row: row.p95_ms)[:1]
        # The lightest load within the budget, too: what is left if the heavier ones turn out too slow.
        found += _without_twins([*near[:_FINALISTS], *soonest])
    return found


def _without_twins(rows: Sequence[Measurement]) -> list[Measurement]:
    return list({(row.server, row.concurrency, row.patches_per_request): row for row in rows}.values())
