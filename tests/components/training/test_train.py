import io
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.dataset.patch_dataset import step_records
from components.dataset.statistics import split_statistics
from components.errors import DataError, NetworkError, TrainingError
from components.training.options import NetworkOptions, TrainingOptions
from components.training.train import TrainedNetwork, train

TINY = NetworkOptions(width=1 / 8)
OPTIONS = TrainingOptions(steps=8, batch_size=4, learning_rate=3e-3, steps_per_epoch=3, checkpoint_every=2, seed=4)


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


@pytest.fixture
def run(records_folder, record_format) -> Callable[..., TrainedNetwork]:
    def run_in(folder: Path, options: TrainingOptions = OPTIONS, **kwargs: object) -> TrainedNetwork:
        files = ([str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval"))
        kwargs.setdefault("stream", io.StringIO())
        return train(*files, record_format, TINY, options, str(folder), **kwargs)

    return run_in


def assert_equal_weights(first: TrainedNetwork, second: TrainedNetwork) -> None:
    for a, b in zip(first.model.get_weights(), second.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("small_network")
def test_equal_seeds_end_with_equal_weights(run, tmp_path):
    first, second = run(tmp_path / "first"), run(tmp_path / "second")
    assert_equal_weights(first, second)
    other = run(tmp_path / "other", OPTIONS.model_copy(update={"seed": 5}))
    assert any((a != b).any() for a, b in zip(other.model.get_weights(), first.model.get_weights(), strict=True))


EVERYTHING = {
    "ema": 0.8,
    "export": "best",
    "loss": {"cross_entropy": 1, "lovasz": 1, "label_smoothing": 0.1},
    "augmentation": {
        "rotation": 20, "scale": 0.3, "brightness": 0.2, "contrast": 0.2, "gamma": 0.3, "per_band": True,
        "channel_dropout": 0.3, "cutout": 0.25,
    },
}  # fmt: skip


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["defaults", "everything"])
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
    assert [(r.epoch, r.step, r.loss, r.eval_iou) for r in resumed.history] == [
        (r.epoch, r.step, r.loss, r.eval_iou) for r in unbroken.history
    ]


@pytest.mark.usefixtures("small_network")
def test_a_killed_process_resumes(run, records_folder, record_format, tmp_path):
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
        if "step 6/8" in text: os.kill(os.getpid(), signal.SIGKILL)

train.train([{str(records_folder / "train-00000-of-00001")!r}], [{str(records_folder / "eval-00000-of-00001")!r}],
      RecordFormat.model_validate_json({record_format.model_dump_json()!r}),
      NetworkOptions.model_validate_json({TINY.model_dump_json()!r}),
      TrainingOptions.model_validate_json({OPTIONS.model_dump_json()!r}), {str(tmp_path)!r}, stream=Stream())
"""
    root = Path(__file__).parents[3]
    died = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, timeout=300, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    stream = io.StringIO()
    resumed = run(tmp_path, stream=stream)
    assert "going on from the checkpoint at step 4 of 8" in stream.getvalue()
    assert_equal_weights(resumed, run(tmp_path / "unbroken"))


@pytest.mark.usefixtures("small_network")
def test_a_finished_training_is_not_repeated(run, tmp_path):
    finished = run(tmp_path)
    stream = io.StringIO()
    again = run(tmp_path, stream=stream)
    assert stream.getvalue() == "going on from the checkpoint at step 8 of 8\n"
    assert_equal_weights(again, finished)


def test_a_few_steps_of_segnet_lower_the_loss_and_each_epoch_has_its_line(run, tmp_path):
    stream = io.StringIO()
    options = TrainingOptions(steps=40, batch_size=5, learning_rate=1e-2, steps_per_epoch=10, class_weights="none")
    trained = run(tmp_path, options, stream=stream, log_folder=str(tmp_path / "logs"))
    history = trained.history
    assert [record.step for record in history] == [10, 20, 30, 40]
    assert history[-1].loss < 0.7 * history[0].loss
    assert set(history[-1].eval_iou) == {"dark", "bright", "absent"}
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("epoch 2/4  step 20/40  loss ")
    for part in ("eval mean IoU", "pixel accuracy", "patches/s", "left"):
        assert part in lines[1]
    assert any((tmp_path / "logs").iterdir())


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize(
    "changes",
    [
        {"jit_compile": True, "ema": 0.9, "loss": {"dice": 1, "lovasz": 1}},
        {"precision": "mixed_bfloat16"},
        {"precision": "mixed_float16", "optimizer": "sgd", "jit_compile": True},
        {"optimizer": "sgd", "weight_decay_kind": "l2", "schedule": "steps", "loss": "focal"},
    ],
)
def test_other_ways_of_computing_train_too(run, tmp_path, changes):
    options = TrainingOptions(**{**dict(OPTIONS), "steps": 2, "class_weights": "none", "gradient_clip": 1.0, **changes})
    trained = run(tmp_path, options)
    assert np.isfinite(trained.history[-1].loss)
    assert all(layer.compute_dtype == "float32" for layer in trained.model.layers)


@pytest.mark.usefixtures("small_network")
def test_without_an_eval_split_no_quality_is_claimed(records_folder, record_format, tmp_path):
    files = [str(records_folder / "train-00000-of-00001")]
    options = OPTIONS.model_copy(update={"steps": 2})
    stream = io.StringIO()
    trained = train(files, [], record_format, TINY, options, str(tmp_path), stream=stream)
    assert trained.history[-1].eval_mean_iou is None
    assert "IoU" not in stream.getvalue()


@pytest.mark.usefixtures("small_network")
def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint_and_names_the_batch(
    run, tmp_path, records_folder, record_format
):
    run(tmp_path, OPTIONS.model_copy(update={"steps": 2}))
    good = (tmp_path / "last.npz").read_bytes()
    wild = TrainingOptions(
        steps=40, batch_size=4, optimizer="sgd", learning_rate=1e30, schedule="constant", checkpoint_every=1
    )
    with pytest.raises(TrainingError, match=r"(the loss became (nan|inf)|a weight is no longer a number) at step") as e:
        run(tmp_path / "wild", wild)
    assert "training.learning_rate" in e.value.remedy
    assert (tmp_path / "last.npz").read_bytes() == good
    step = int(re.search(r"at step (\d+)", e.value.problem)[1])
    files = [str(records_folder / "train-00000-of-00001")]
    numbers = step_records(10, split_statistics(files, record_format), batch_size=4, seed=0)(step - 1)
    assert "windows of 64 x 64 tile pixels" in e.value.problem  # patches of 32, downsampled by 2
    for number in range(10):
        assert (f"t{number}: 0,0" in e.value.problem) == (number in numbers)
    if (tmp_path / "wild/last.npz").exists():
        arrays = np.load(tmp_path / "wild/last.npz")
        assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


@pytest.mark.usefixtures("small_network")
def test_early_stopping_ends_a_training_and_the_best_weights_are_exported(run, tmp_path):
    # The rate is so high after the warm-up that the first epochs are the best.
    options = TrainingOptions(
        steps=60, batch_size=4, learning_rate=0.5, schedule="constant", warmup_steps=9, steps_per_epoch=3,
        early_stopping_epochs=3, export="best",
    )  # fmt: skip
    stream = io.StringIO()
    stopped = run(tmp_path / "stopped", options, stream=stream)
    scores = [record.eval_mean_iou for record in stopped.history]
    best = stopped.history[int(np.argmax(scores))]
    assert stopped.history[-1].epoch == best.epoch + 3 < 20
    assert "stopped: no better eval mean IoU for 3 epochs" in stream.getvalue()
    assert [path.name for path in (tmp_path / "stopped").glob("best-*")] == [f"best-{best.step:08d}.npz"]
    # What is exported is what the best epoch measured; and to start it again changes nothing.
    until_best = {**dict(options), "steps": best.step, "early_stopping_epochs": None, "export": "last"}
    assert_equal_weights(stopped, run(tmp_path / "short", TrainingOptions(**until_best)))
    stream = io.StringIO()
    assert_equal_weights(stopped, run(tmp_path / "stopped", options, stream=stream))
    assert "epoch" not in stream.getvalue().splitlines()[0]


@pytest.mark.usefixtures("small_network")
def test_the_average_of_the_weights_is_evaluated_and_exported(run, tmp_path):
    plain = run(tmp_path / "plain", OPTIONS)
    averaged = run(tmp_path / "averaged", TrainingOptions(**{**dict(OPTIONS), "ema": 0.9}))
    # The losses, of the weights themselves, are the same; the quality, of the average, is not.
    assert [r.loss for r in averaged.history] == pytest.approx([r.loss for r in plain.history], rel=1e-5)
    assert [r.eval_loss for r in averaged.history] != pytest.approx([r.eval_loss for r in plain.history], rel=1e-3)
    again = run(tmp_path / "plain", OPTIONS)
    assert_equal_weights(again, plain)


def test_what_cannot_be_trained_is_refused_before_anything_is_computed(record_format, records_folder, tmp_path):
    with pytest.raises(DataError, match="training split has no files"):
        train([], [], record_format, TINY, OPTIONS, str(tmp_path))
    odd = record_format.model_copy(update={"patch_size": 40})
    with pytest.raises(NetworkError, match="patches of 40 px"):
        train([str(records_folder / "train-00000-of-00001")], [], odd, TINY, OPTIONS, str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_network")
def test_sampling_decides_the_result(run, tmp_path: Path) -> None:
    uniform = run(tmp_path / "uniform")
    balanced = run(tmp_path / "balanced", OPTIONS.model_copy(update={"sampling": "class_balanced"}))
    weights = zip(uniform.model.get_weights(), balanced.model.get_weights(), strict=True)
    assert any((a != b).any() for a, b in weights)
