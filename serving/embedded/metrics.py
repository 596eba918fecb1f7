"""Counters and histograms under the stock server's names, and the text that Prometheus reads.

Prometheus knows no slashes: `/tensorflow/serving/request_count` is `:tensorflow:serving:request_count`.
"""

import bisect
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

_PREFIX = ":tensorflow:serving:"


def exponential_buckets(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Upper limits `scale * growth ** k` of a histogram's buckets; values above the last go to `+Inf`."""
    return tuple(scale * growth**k for k in range(count))


_LATENCY = exponential_buckets(10, 1.8, 33)  # microseconds, up to about 20 minutes
_QUEUING = exponential_buckets(100, 1.2, 52)  # microseconds, up to about a second
_SIZES = exponential_buckets(1, 2, 15)


@dataclass(frozen=True)
class Description:
    """One metric: its name after the common prefix, its labels, and a histogram's limits (none for a counter)."""

    name: str
    labels: tuple[str, ...]
    limits: tuple[float, ...] = ()


REQUEST_COUNT = Description("request_count", ("model_name", "status"))
REQUEST_LATENCY = Description("request_latency", ("model_name", "API", "entrypoint"), _LATENCY)
RUNTIME_LATENCY = Description("runtime_latency", ("model_name", "API", "runtime"), _LATENCY)
EXAMPLE_COUNTS = Description("request_example_counts", ("model",), _SIZES)
EXAMPLE_TOTAL = Description("request_example_count_total", ("model",))
WARMUP_LATENCY = Description("model_warmup_latency", ("model_path", "status"), _LATENCY)
QUEUING_LATENCY = Description("batching_session:queuing_latency", ("thread_pool_name",), _QUEUING)
WRAPPED_RUNS = Description("batching_session:wrapped_run_count", ())
INPUT_BATCH_SIZE = Description("batching_session:input_batch_size", (), _SIZES)
PROCESSED_BATCH_SIZE = Description("batching_session:processed_batch_size", (), _SIZES)
PADDING_SIZE = Description("batching_session:padding_size", (), _SIZES)


@dataclass
class _Cell:
    count: int = 0
    total: float = 0.0
    buckets: list[int] = field(default_factory=list)


class Metrics:
    """The values of one server's metrics; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[Description, dict[tuple[str, ...], _Cell]] = {}

    def increment(self, metric: Description, *labels: str, by: int = 1) -> None:
        """Adds to a counter."""
        with self._lock:
            self._cell(metric, labels).count += by

    def observe(self, metric: Description, *labels: str, value: float) -> None:
        """Adds a value to a histogram."""
        with self._lock:
            cell = self._cell(metric, labels)
            cell.count += 1
            cell.total += value
            cell.buckets[bisect.bisect_right(metric.limits, value)] += 1

    def exposition(self) -> str:
        """All values in Prometheus' text format, metrics and labels in alphabetical order."""
        lines: list[str] = []
        with self._lock:
            for metric in sorted(self._cells, key=lambda one: one.name):
                name = _PREFIX + metric.name
                lines.append(f"# TYPE {name} {'histogram' if metric.limits else 'counter'}")
                for labels, cell in sorted(self._cells[metric].items()):
                    lines += _lines(name, metric, labels, cell)
        return "\n".join(lines) + "\n"

    def _cell(self, metric: Description, labels: Sequence[str]) -> _Cell:
        cells = self._cells.setdefault(metric, {})
        cell = cells.get(tuple(labels))
        if cell is None:
            cell = cells[tuple(labels)] = _Cell(buckets=[0] * (len(metric.limits) + 1))
        return cell


def _lines(name: str, metric: Description, labels: Sequence[str], cell: _Cell) -> list[str]:
    pairs = [f'{key}="{_escaped(value)}"' for key, value in zip(metric.labels, labels, strict=True)]
    joined = ",".join(pairs)
    if not metric.limits:
        return [f"{name}{{{joined}}} {cell.count}"]
    lines, cumulative = [], 0
    limits = [f"{limit:g}" for limit in metric.limits] + ["+Inf"]
    for limit, count in zip(limits, cell.buckets, strict=True):
        cumulative += count
        with_limit = ",".join([*pairs, f'le="{limit}"'])
        lines.append(f"{name}_bucket{{{with_limit}}} {cumulative}")
    return [*lines, f"{name}_sum{{{joined}}} {cell.total:g}", f"{name}_count{{{joined}}} {cell.count}"]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
