import io
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.classes import VOID_ID
from components.dataset.patch_dataset import step_records
from components.dataset.statistics import split_statistics
from components.encoders.style import LayerStyle, conv_norm_relu
from components.errors import ConfigError, DataError, NetworkError, TrainingError
from components.pspnet import network as pspnet
from components.records.patch_example import encode_patch
from components.training.networks import build_network
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


@pytest.fixture(scope="module")
def run(records_folder, record_format) -> Callable[..., TrainedNetwork]:
    def run_in(
        folder: Path, options: TrainingOptions = OPTIONS, network: NetworkOptions = TINY, **kwargs: object
    ) -> TrainedNetwork:
        files = ([str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval"))
        kwargs.setdefault("stream", io.StringIO())
        return train(*files, record_format, network, options, str(folder), **kwargs)

    return run_in


@pytest.fixture(scope="module")
def run_with_small_network(run, build_small_network) -> Callable[..., TrainedNetwork]:
    def run_in(*args: object, **kwargs: object) -> TrainedNetwork:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.training.train.build_network", build_small_network)
            return run(*args, **kwargs)

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


@pytest.fixture
def small_pspnet(monkeypatch) -> NetworkOptions:
    """PSPNet with its drop-out and its auxiliary classifier, but one level of pyramid on an encoder of two layers."""

    def features(_name: str, image: Any, style: LayerStyle, **_kwargs: object) -> dict[int, Any]:
        image = keras.layers.AveragePooling2D(8, dtype=style.dtype)(image)
        half_way = conv_norm_relu(image, 8, 1, "encoder_conv1", style)
        return {16: half_way, 32: conv_norm_relu(half_way, 8, 1, "encoder_conv2", style)}

    monkeypatch.setattr(pspnet, "encoder_features", features)
    monkeypatch.setattr(pspnet, "BINS", (1,))
    return NetworkOptions(name="pspnet", width=1 / 32, deep_supervision=True)


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


# The rate is so high after the warm-up that the first epochs are the best.
STOPPING = TrainingOptions(
    steps=60, batch_size=4, learning_rate=0.5, schedule="constant", warmup_steps=9, steps_per_epoch=3,
    early_stopping_epochs=3, export="best",
)  # fmt: skip


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
def test_an_epoch_s_record_has_the_rate_of_its_last_step(run, tmp_path):
    options = OPTIONS.model_copy(update={"schedule": "steps", "decay_at": (3 / 8,), "decay_factor": 0.5})
    rates = [record.learning_rate for record in run(tmp_path, options).history]
    assert rates == pytest.approx([3e-3, 1.5e-3, 1.5e-3])  # steps 3, 6, 8; the rate falls with the fourth


@pytest.mark.usefixtures("small_network")
def test_a_training_of_epochs_that_would_only_warm_up_is_refused(run, tmp_path):
    options = TrainingOptions(epochs=2, batch_size=4, warmup_steps=5)
    with pytest.raises(ConfigError, match=r"warmup_steps is 5, but 2 epochs of 10 patches are 5 steps of 4"):
        run(tmp_path, options)


@pytest.mark.usefixtures("small_network")
def test_early_stopping_ends_a_training_and_the_best_weights_are_exported(run, tmp_path):
    options = STOPPING
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


def test_an_encoder_at_rate_0_stays_as_it_is_while_the_rest_learns(
    run, small_pspnet, record_format, tmp_path: Path
) -> None:
    options = OPTIONS.model_copy(update={"steps": 3, "encoder_learning_rate_factor": 0.0})
    learnt = run(tmp_path, options, small_pspnet).model
    started = build_network(small_pspnet, record_format, [0.0, 0.0], [1.0, 1.0], seed=options.seed)
    moved = {
        after.path: bool((after.numpy() != before.numpy()).any())
        for before, after in zip(started.trainable_variables, learnt.trainable_variables, strict=True)
    }
    assert moved == {path: not path.startswith("encoder_") for path in moved}
    assert set(moved.values()) == {True, False}


@pytest.mark.usefixtures("small_network")
def test_sampling_decides_the_result(run, tmp_path: Path) -> None:
    uniform = run(tmp_path / "uniform")
    balanced = run(tmp_path / "balanced", OPTIONS.model_copy(update={"sampling": "class_balanced"}))
    weights = zip(uniform.model.get_weights(), balanced.model.get_weights(), strict=True)
    assert any((a != b).any() for a, b in weights)


@pytest.mark.usefixtures("small_network")
def test_what_the_eval_split_must_decide_needs_an_eval_split(
    records_folder, record_format, make_patch, tmp_path: Path
) -> None:
    unlabelled = tmp_path / "unlabelled"
    with tf.io.TFRecordWriter(str(unlabelled)) as writer:
        void = replace(make_patch(0), label=np.full((32, 32), VOID_ID, np.uint8))
        writer.write(encode_patch(void, record_format.table.names, record_format.bands))
    files = [str(records_folder / "train-00000-of-00001")]
    for changes, named in (
        ({"export": "best"}, r"training\.export: best"),
        ({"early_stopping_epochs": 2}, r"training\.early_stopping_epochs"),
    ):
        options = OPTIONS.model_copy(update=changes)
        for eval_files, problem in (
            ([], "the eval split has no record"),
            ([str(unlabelled)], "shows no pixel of a scored class"),
        ):
            with pytest.raises(DataError, match=f"{named} go by the mean IoU on the eval split, but .*{problem}"):
                train(files, eval_files, record_format, TINY, options, str(tmp_path / "c"), stream=io.StringIO())
    with pytest.raises(DataError, match="none of the 1 training patches has a pixel of any class"):
        train([str(unlabelled)], [], record_format, TINY, OPTIONS, str(tmp_path / "c"), stream=io.StringIO())


@pytest.mark.usefixtures("small_network")
def test_a_checkpoint_of_a_longer_training_or_of_another_version_is_refused(run, tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(TrainingError, match=r"last\.npz is 8 steps on, this training ends after 5"):
        run(tmp_path, OPTIONS.model_copy(update={"steps": 5}))
    arrays = dict(np.load(tmp_path / "last.npz"))
    arrays["progress"] = np.frombuffer(b'{"step": 8, "history": [], "mood": "good"}', np.uint8)
    np.savez(tmp_path / "last.npz", **arrays)
    with pytest.raises(TrainingError, match=r"progress cannot be read.*mood") as caught:
        run(tmp_path)
    assert "this version of EOSeg" in caught.value.expected


@pytest.mark.usefixtures("small_network")
def test_a_split_smaller_than_a_batch_is_trained_on(run, tmp_path: Path) -> None:
    # 3 epochs of 10 records are 2 steps of 16, and an epoch is a step: 16 of 10 patches.
    options = TrainingOptions(epochs=3, batch_size=16, class_weights="none")
    assert [record.step for record in run(tmp_path, options).history] == [1, 2]
