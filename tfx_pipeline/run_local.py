"""Runs the pipeline in this process, with one line a stage for the person who waits."""

import fcntl
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from components.errors import ConfigError
from components.file_systems import open_artifact_store
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places
from tfx_pipeline.metadata_place import metadata_of, without_passwords

STAGE_NAMES = {
    "LabelValidator": "validate images and labels",
    "TileExampleGen": "cut tiles into records",
    "StatisticsGen": "statistics of the records",
    "SchemaGen": "infer the schema",
    "ImportSchema": "import the curated schema",
    "ExampleValidator": "validate the statistics",
    "LastStatistics": "find the statistics of the last run",
    "AnomalyGate": "stop at anomalies, skew and drift",
    "ModelToStartFrom": "find the model to start from",
    "Tuner": "search for hyperparameters",
    "Trainer": "train the network",
    "LatestBlessedModel": "find the model to compare with",
    "Evaluator": "evaluate on patches",
    "MapEvaluator": "evaluate on whole tiles",
    "ModelGates": "judge by the gates",
    "ServingCheck": "serve the model and check its answers",
    "VersionPusher": "push the version",
}


@dataclass
class StageTimes:
    """Seconds each stage took, in the order they ran, and which were reused from an earlier run."""

    seconds: dict[str, float] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)


class StageProgress(logging.Handler):
    """Turns the runner's own log messages into a line a stage.

    The local runner offers no hook; its messages `Component X is running.` and `... is finished.` are what it tells.
    """

    def __init__(self, stages: int, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self.times = StageTimes()
        self._stages = stages
        self._stream = stream
        self._current = ""
        self._started = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Looks at one message of the runner."""
        text = record.getMessage()
        if text.startswith("Component ") and text.endswith(" is running."):
            self._current = text.split()[1]
            self._started = time.monotonic()
        elif text.startswith("A cached execution ") and self._current:
            self.times.reused.add(self._current)
        elif text.startswith("Component ") and text.endswith(" is finished.") and self._current:
            self.times.seconds[self._current] = time.monotonic() - self._started
            number = len(self.times.seconds)
            what = STAGE_NAMES.get(self._current, self._current)
            how = "reused" if self._current in self.times.reused else f"{self.times.seconds[self._current]:.1f} s"
            print(f"[{number:2}/{self._stages}] {what:40} {how}", file=self._stream, flush=True)


def run_pipeline(config: Config, data: DataSet, places: Places, stream: TextIO = sys.stdout) -> StageTimes:
    """Runs every stage, reusing what is unchanged.

    Args:
        config: The configuration.
        data: Its files.
        places: Where things go; the libraries' own messages go to `logs/` there.
        stream: Gets the progress lines.

    Raises:
        EosegError: What a stage found wrong.
    """
    from tfx_pipeline.local_runner import LocalRunner
    from tfx_pipeline.pipeline import build_pipeline

    open_artifact_store(places.pipeline_root)
    pipeline = build_pipeline(config, data, places)
    progress = StageProgress(len(pipeline.components), stream)
    with log_to_file(places.workdir / "logs", progress):
        LocalRunner(metadata_of(config, places).mark).run(pipeline)
    return progress.times


class _LogFormat(logging.Formatter):
    """The runner logs all that it connects with."""

    def format(self, record: logging.LogRecord) -> str:
        """One message, without the database's password."""
        return without_passwords(super().format(record))


@contextmanager
def log_to_file(folder: Path, progress: logging.Handler) -> Iterator[None]:
    """Sends all libraries' log messages to a file instead of the terminal, and the runner's to `progress` too."""
    from absl import logging as absl_logging

    folder.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(folder / time.strftime("run-%Y%m%d-%H%M%S.log"))
    file.setFormatter(_LogFormat("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    root, absl = logging.getLogger(), logging.getLogger("absl")
    before = list(root.handlers), root.level, absl_logging.get_verbosity()
    root.handlers, root.level = [file], logging.INFO
    absl_logging.set_verbosity(absl_logging.INFO)
    absl.addHandler(progress)
    try:
        yield
    finally:
        absl.removeHandler(progress)
        root.handlers, root.level = before[0], before[1]
        absl_logging.set_verbosity(before[2])
        file.close()


@contextmanager
def workdir_lock(workdir: Path) -> Iterator[None]:
    """Keeps a second run out of a working directory while one is at work; a killed run leaves no lock behind.

    Raises:
        ConfigError: If another run holds it.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another run is at work in {workdir}", "one run at a time in a folder", "wait, or give --workdir"
            ) from error
        yield
