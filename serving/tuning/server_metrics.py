"""What the model server counts about itself: Prometheus' text, and processor time."""

import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from components.errors import ServingError
from serving.deploy.server_configs import PROMETHEUS_PATH

_LINE = re.compile(r"^:tensorflow:serving:(?P<name>[\w:]+)(?:\{[^}]*\})? (?P<value>\S+)")
_SESSION = "batching_session:"


@dataclass(frozen=True)
class BatchCounts:
    """Sums since the server started.

    Attributes:
        batches: Batches that were run.
        processed: Patches in them, padding included.
        padding: Patches that only padded.
    """

    batches: float
    processed: float
    padding: float

    def __sub__(self, before: "BatchCounts") -> "BatchCounts":
        return BatchCounts(
            self.batches - before.batches, self.processed - before.processed, self.padding - before.padding
        )

    def __add__(self, other: "BatchCounts") -> "BatchCounts":
        return BatchCounts(self.batches + other.batches, self.processed + other.processed, self.padding + other.padding)

    @property
    def padding_share(self) -> float | None:
        """Padding in what was run; None where nothing was batched."""
        return self.padding / self.processed if self.processed else None

    @property
    def mean_size(self) -> float | None:
        """Patches in a batch, padding not counted; None where nothing was batched."""
        return (self.processed - self.padding) / self.batches if self.batches else None


def parse_batch_counts(text: str) -> BatchCounts:
    """The batching counters in Prometheus' text; what is not there yet counts 0."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            sums[match["name"]] = sums.get(match["name"], 0.0) + float(match["value"])
    return BatchCounts(
        batches=sums.get(f"{_SESSION}processed_batch_size_count", 0.0),
        processed=sums.get(f"{_SESSION}processed_batch_size_sum", 0.0),
        padding=sums.get(f"{_SESSION}padding_size_sum", 0.0),
    )


def read_batch_counts(rest_port: int) -> BatchCounts:
    """The counters of a server on this machine, started with monitoring.

    Raises:
        ServingError: If it does not show them.
    """
    url = f"http://127.0.0.1:{rest_port}{PROMETHEUS_PATH}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return parse_batch_counts(answer.read().decode("utf-8"))
    except (urllib.error.URLError, OSError) as error:
        raise ServingError(f"{url} cannot be read: {error}", "a server with monitoring") from error


def cpu_seconds(pid: int) -> float | None:
    """Processor seconds of a process so far; None where there is no `/proc`."""
    try:
        # The second field is the program's name in brackets, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
