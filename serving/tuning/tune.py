"""Tunes a model's server: session calls, candidate servers side by side, loads in turns, one decision."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, PositiveInt, field_validator

from components.errors import MissingFileError, ServingError
from components.options import Options
from serving.deploy.start_server import Kind
from serving.served_model import ServedModel, VersionPolicy
from serving.tuning.candidate_servers import candidate_servers
from serving.tuning.candidates import candidates
from serving.tuning.choose import Choice, choose
from serving.tuning.direct import default_output
from serving.tuning.measure_servers import ServerMeasuring
from serving.tuning.measurement import DirectPoint, Measurement
from serving.tuning.settings import TunedSettings, settings_of
from serving.tuning.worker import Job, Worker

_DIRECT_SHARE = 0.1
"""Of the time, for session calls without a server."""


class TuneOptions(Options):
    """What to try, and for how long."""

    latency_budget_ms: float = Field(default=1000.0, gt=0)
    """95 % of a client's requests must be answered within it."""
    seconds: float = Field(default=120.0, gt=0)
    """For measuring; starting the servers comes on top."""
    concurrency: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16)
    """Numbers of clients to try."""
    patches: tuple[PositiveInt, ...] = (1, 4, 16)
    """Patches a request to try."""
    batch_sizes: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16, 32)
    """Batches to call the model with directly."""
    output: str | None = None
    """The output that is asked for; None is the one that maps are made of."""
    kind: Kind = "auto"
    """Which server."""

    @field_validator("concurrency", "patches", "batch_sizes")
    @classmethod
    def _ascend(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if not values:
            raise ValueError("must name at least one number")
        return tuple(sorted(set(values)))


@dataclass(frozen=True)
class Tuning:
    """What was measured and decided.

    Attributes:
        direct: Session calls without a server.
        rows: Servers under loads.
        choice: The decision; None where nothing kept the budget, or where it was interrupted too early.
        problem: Why there is no choice; "" where there is one.
        facts: Model, machine, time.
        budget_ms: What was asked for.
    """

    direct: tuple[DirectPoint, ...]
    rows: tuple[Measurement, ...]
    choice: Choice | None
    problem: str
    facts: dict[str, str]
    budget_ms: float

    @property
    def settings(self) -> TunedSettings | None:
        """The decision as options."""
        return None if self.choice is None else settings_of(self.choice, self.budget_ms)


def tune(
    model: ServedModel,
    version: int,
    options: TuneOptions | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Tuning:
    """Measures and decides.

    A KeyboardInterrupt while servers are measured ends that, and the decision is made from what is there.

    Args:
        model: What the servers serve.
        version: The version of it that is measured.
        options: What to try.
        say: Told what is being done.

    Raises:
        ServingError: If the model cannot be measured, or a server does not start.
    """
    options = options or TuneOptions()
    folder = f"{model.base_path}/{version}"
    with tempfile.TemporaryDirectory(prefix="eoseg-tune-") as requests_folder:
        requests = {patches: Path(requests_folder) / f"{patches}.pb" for patches in options.patches}
        say(f"session calls of {folder}, without a server")
        facts, direct = _without_server(folder, model.name, requests, options)
        settings = candidates(direct, cores(), facts["has_gpu"], options.latency_budget_ms, facts["largest_warmup"])
        say(f"starting {len(settings)} servers side by side: {'; '.join(settings)}")
        served = model.model_copy(update={"policy": VersionPolicy(kind="specific", versions=(version,))})
        measuring = None
        try:
            with Worker("serving.tuning.load") as load, candidate_servers(served, settings, options.kind) as targets:
                measuring = ServerMeasuring(targets, load, requests, options.latency_budget_ms, say)
                measuring.run(options.concurrency, options.seconds)
        except KeyboardInterrupt:  # while measuring, or while the servers end
            if measuring is None:
                raise
            say("interrupted")
    choice, problem = _decision(measuring, options.latency_budget_ms)
    shown = {
        "model": f"{folder}, output {facts['output']}, patches of {' x '.join(map(str, facts['input_shape']))}",
        "machine": f"{cores()} processor cores, {'GPU' if facts['has_gpu'] else 'no GPU'}",
        "when": time.strftime("%Y-%m-%d %H:%M"),
    }
    return Tuning(tuple(direct), tuple(measuring.rows), choice, problem, shown, options.latency_budget_ms)


def time_direct(worker: Worker, output: str, batch_sizes: Sequence[int], seconds: float) -> list[DirectPoint]:
    """Session calls of each batch size, sharing the time equally."""
    found = []
    for size in batch_sizes:
        job = {"kind": "time", "output": output, "batch_size": size, "seconds": seconds / len(batch_sizes)}
        answer = worker.ask(job)
        found.append(DirectPoint(batch_size=size, seconds_per_call=answer["seconds_per_call"]))
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def newest_version(base_path: Path) -> int:
    """The highest of a model's versions.

    Raises:
        MissingFileError: If there is none.
    """
    found = [int(child.name) for child in base_path.iterdir() if child.name.isdigit() and child.is_dir()]
    if not found:
        raise MissingFileError(f"{base_path} holds no version", "numbered folders", "publish one with `eoseg run`")
    return max(found)


def _without_server(
    folder: str, model_name: str, requests: dict[int, Path], options: TuneOptions
) -> tuple[Job, list[DirectPoint]]:
    """Facts about the model (with the output that is asked for), its session calls; writes the requests."""
    with Worker("serving.tuning.direct") as worker:
        facts = worker.ask({"kind": "open", "folder": folder})
        output = options.output or default_output(facts["outputs"])
        if output not in facts["outputs"]:
            raise ServingError(
                f"the model has no output '{output}'", f"one of {', '.join(facts['outputs'])}", "correct --output"
            )
        direct = time_direct(worker, output, options.batch_sizes, _DIRECT_SHARE * options.seconds)
        for patches, path in requests.items():
            request = {"path": str(path), "model_name": model_name, "output": output, "patches": patches}
            worker.ask({"kind": "request", **request})
    return {**facts, "output": output}, direct


def _decision(measuring: ServerMeasuring, budget_ms: float) -> tuple[Choice | None, str]:
    if not measuring.can_decide:
        return None, "interrupted before every promising load was measured"
    try:
        return choose(measuring.rows, budget_ms), ""
    except ServingError as error:
        return None, str(error)
