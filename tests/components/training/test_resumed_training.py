"""A training that was killed ends as one that was not, wherever it died."""

import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.options import TrainingOptions
from components.training.train import TrainedNetwork
from tests.components.training.tiny_training import OPTIONS, STOPPING, TINY, assert_equal_weights


class Killed(BaseException):
    """Stands for a kill: nothing in the library may catch it."""


class FatalStream(io.StringIO):
    """Dies when the given line is about to be written."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    def write(self, text: str) -> int:
        if self._at in text:
            raise Killed
        return super().write(text)


@pytest.fixture(scope="module")
def run_with_small_network(run, build_small_network) -> Callable[..., TrainedNetwork]:
    def run_in(*args: object, **kwargs: object) -> TrainedNetwork:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.training.train.build_network", build_small_network)
            return run(*args, **kwargs)

    return run_in


EVERYTHING = {
    "ema": 0.8,
    "export": "best",
    "loss": {"cross_entropy": 1, "lovasz": 1, "label_smoothing": 0.1},
    "augmentation": {
        "rotation": 20, "scale": 0.3, "brightness": 0.2, "contrast": 0.2, "gamma": 0.3, "per_band": True,
        "channel_dropout": 0.3, "cutout": 0.25,
    },
}  # fmt: skip


# So large a loss overflows half precision until its scale has been halved often enough.
HALF = {
    "precision": "mixed_float16", "optimizer": "sgd", "loss": {"cross_entropy": 1e2}, "gradient_clip": 1.0,
    "sampling": "class_balanced", "ema": 0.8,
}  # fmt: skip


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("changes", [{}, EVERYTHING, HALF], ids=["defaults", "everything", "half"])
def test_a_resumed_training_ends_as_an_unbroken_one(run, tmp_path, changes):
    options = TrainingOptions(**{**dict(OPTIONS), **changes})
    unbroken = run(tmp_path / "unbroken", options)
    # Dies at the end of the second epoch, step 6, after the checkpoint of step 4, in the middle of an epoch.
    with pytest.raises(Killed):
        run(tmp_path / "killed", options, stream=FatalStream("step 6/8"))
    stream = io.StringIO()
    resumed = run(tmp_path / "killed", options, stream=stream)
    assert "going on from the checkpoint at step 4 of 8" in stream.getvalue()
    assert_equal_weights(resumed, unbroken)
    assert measured(resumed) == measured(unbroken)
    if changes is HALF:
        assert has_learnt_at_a_lower_scale(tmp_path / "unbroken")


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"ema": 0.8, "export": "best"}], ids=["last", "average"])
def test_drop_out_and_further_outputs_are_resumed_too(run, small_pspnet, tmp_path, changes):
    options = OPTIONS.model_copy(update=changes)
    unbroken = run(tmp_path / "unbroken", options, small_pspnet)
    with pytest.raises(Killed):
        run(tmp_path / "killed", options, small_pspnet, stream=FatalStream("step 6/8"))
    resumed = run(tmp_path / "killed", options, small_pspnet)
    assert_equal_weights(resumed, unbroken)
    assert measured(resumed) == measured(unbroken)


def measured(trained: TrainedNetwork) -> list[tuple[object, ...]]:
    return [(r.epoch, r.step, r.loss, r.learning_rate, r.eval_iou) for r in trained.history]


def has_learnt_at_a_lower_scale(folder: Path) -> bool:
    """Whether the first steps were skipped, with the loss's scale 2 ** 15 halved each time, and later ones were not."""
    arrays = np.load(folder / "last.npz")
    numbers = [arrays[name] for name in arrays.files if arrays[name].shape == ()]
    # Keras keeps a learning rate beside it, which is 0.
    scale = max(float(number) for number in numbers if number.dtype == np.float32)
    done = max(int(number) for number in numbers if number.dtype.kind == "i")
    return 1 <= scale < 2**15 and 1 < done < OPTIONS.steps


@pytest.fixture(scope="module")
def stopped(run_with_small_network, tmp_path_factory) -> TrainedNetwork:
    """What a training that stops early gives when nothing breaks it."""
    return run_with_small_network(tmp_path_factory.mktemp("stopped"), STOPPING)


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("at", ["as it is decided", "when it is saved"])
def test_a_training_that_dies_as_it_stops_early_comes_to_the_same_end(run, stopped, tmp_path, at):
    decided = at == "when it is saved"
    line = "stopped: no better" if decided else f"step {stopped.history[-1].step}/60"
    with pytest.raises(Killed):
        run(tmp_path, STOPPING, stream=FatalStream(line))
    stream = io.StringIO()
    resumed = run(tmp_path, STOPPING, stream=stream)
    assert measured(resumed) == measured(stopped)
    assert_equal_weights(resumed, stopped)
    trained_again = [text for text in stream.getvalue().splitlines() if text.startswith("epoch ")]
    assert len(trained_again) == (0 if decided else 1)


@pytest.mark.usefixtures("small_network")
def test_a_training_may_die_at_any_change_of_a_file(run, stopped, tmp_path, monkeypatch):
    """The first run dies at its first rename or removal, the second at its second, and so on until one is through."""
    left = 0

    def fatal(change: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: object, **kwargs: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            change(*args, **kwargs)

        return counted

    for name in ("rename", "remove"):
        monkeypatch.setattr(tf.io.gfile, name, fatal(getattr(tf.io.gfile, name)))
    resumed, deaths = None, 0
    while resumed is None:
        left = deaths + 1
        try:
            resumed = run(tmp_path, STOPPING)
        except Killed:
            deaths += 1
    assert deaths > 3
    assert measured(resumed) == measured(stopped)
    assert_equal_weights(resumed, stopped)
    best = max(resumed.history, key=lambda record: record.eval_mean_iou)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"best-{best.step:08d}.npz", "last.npz"]


@pytest.mark.usefixtures("small_network")
def test_a_killed_process_resumes(run, stopped, records_folder, record_format, tmp_path):
    last = stopped.history[-1]
    script = f"""
import os, runpy, signal
from components.records.record_format import RecordFormat
from components.training.options import NetworkOptions, TrainingOptions
from components.training import train

train.build_network = runpy.run_path({str(Path(__file__).with_name("conftest.py"))!r})["build_small_network"]

class Stream:
    def isatty(self): return False
    def flush(self): pass
    def write(self, text):
        if "step {last.step}/60" in text: os.kill(os.getpid(), signal.SIGKILL)

train.train([{str(records_folder / "train-00000-of-00001")!r}], [{str(records_folder / "eval-00000-of-00001")!r}],
      RecordFormat.model_validate_json({record_format.model_dump_json()!r}),
      NetworkOptions.model_validate_json({TINY.model_dump_json()!r}),
      TrainingOptions.model_validate_json({STOPPING.model_dump_json()!r}), {str(tmp_path)!r}, stream=Stream())
"""
    root = Path(__file__).parents[3]
    died = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, timeout=300, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    stream = io.StringIO()
    resumed = run(tmp_path, STOPPING, stream=stream)
    assert f"going on from the checkpoint at step {last.step - 3} of 60" in stream.getvalue()
    assert measured(resumed) == measured(stopped)
    assert_equal_weights(resumed, stopped)


@pytest.mark.usefixtures("small_network")
def test_a_finished_training_is_not_repeated(run, tmp_path):
    finished = run(tmp_path)
    stream = io.StringIO()
    again = run(tmp_path, stream=stream)
    assert stream.getvalue() == "going on from the checkpoint at step 8 of 8\n"
    assert_equal_weights(again, finished)
