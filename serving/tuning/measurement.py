"""What was measured: rows of the table that settings are chosen from."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from components.options import Options
from serving.batching import BatchingOptions
from serving.tuning.server_metrics import BatchCounts


class DirectPoint(Options):
    """Session calls of one batch size, from one thread, without a server."""

    batch_size: int
    seconds_per_call: float
    """The median."""

    @property
    def patches_per_second(self) -> float:
        """Throughput of one caller."""
        return self.batch_size / self.seconds_per_call


class Measurement(Options):
    """One setting of the server under one load, over all its rounds."""

    server: str
    """The setting's name in the table."""
    batching: BatchingOptions
    concurrency: int
    """Clients that ask without a pause."""
    patches_per_request: int
    rounds: tuple[float, ...]
    """Patches a second, round by round. The rounds of all measurements took turns: the i-th of each ran in the same
    minute, so they can be compared in pairs."""
    requests: int
    """Requests answered, in all rounds together."""
    failures: int = 0
    """Requests refused or not answered."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    """Percentiles of all answered requests' latencies."""
    padding_share: float | None = None
    """Padding in the patches that were run; None without batching."""
    mean_batch: float | None = None
    """Patches in a batch that was run; None without batching."""
    server_cores: float | None = None
    """Processor seconds of the server a second."""
    client_cores: float = 0.0
    """Processor seconds of the clients a second: on few cores, what they take the server lacks."""

    @property
    def patches_per_second(self) -> float:
        """The rounds' median."""
        return statistics.median(self.rounds)

    @property
    def requests_per_second(self) -> float:
        """Of the median round."""
        return self.patches_per_second / self.patches_per_request

    @property
    def in_flight(self) -> int:
        """Patches under way at any moment."""
        return self.concurrency * self.patches_per_request


@dataclass
class Rounds:
    """Collects the rounds of one setting under one load; `summary` makes the table's row."""

    server: str
    batching: BatchingOptions
    concurrency: int
    patches_per_request: int
    patches_per_second: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0
    server_cpu: float | None = 0.0
    client_cpu: float = 0.0
    counts: BatchCounts = field(default_factory=lambda: BatchCounts(0, 0, 0))

    def add(
        self,
        seconds: float,
        latencies_ms: Sequence[float],
        failures: int,
        client_cpu: float,
        server_cpu: float | None,
        counts: BatchCounts,
    ) -> None:
        """Takes one round: its length, its answered requests, and what clients and server spent."""
        self.patches_per_second.append(len(latencies_ms) * self.patches_per_request / seconds)
        self.latencies_ms.extend(latencies_ms)
        self.failures += failures
        self.seconds += seconds
        self.client_cpu += client_cpu
        self.server_cpu = None if server_cpu is None or self.server_cpu is None else self.server_cpu + server_cpu
        self.counts += counts

    def summary(self) -> Measurement:
        """The table's row."""
        # "higher": with few requests, the percentile is one that was seen, on the safe side.
        latencies = self.latencies_ms or [float(np.finfo(np.float32).max)]
        p50, p95, p99 = (float(np.percentile(latencies, percent, method="higher")) for percent in (50, 95, 99))
        is_batched = self.batching.enabled
        return Measurement(
            server=self.server,
            batching=self.batching,
            concurrency=self.concurrency,
            patches_per_request=self.patches_per_request,
            rounds=tuple(self.patches_per_second),
            requests=len(self.latencies_ms),
            failures=self.failures,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            padding_share=self.counts.padding_share if is_batched else None,
            mean_batch=self.counts.mean_size if is_batched else None,
            server_cores=None if self.server_cpu is None else self.server_cpu / self.seconds,
            client_cores=self.client_cpu / self.seconds,
        )
