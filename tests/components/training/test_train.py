"""What a training does: the same again with the same seed, what it says, refuses, stops for and exports."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.classes import VOID_ID
from components.dataset.patch_dataset import step_records
from components.dataset.statistics import split_statistics
from components.errors import ConfigError, DataError, NetworkError, TrainingError
from components.records.patch_example import encode_patch
from components.training.networks import build_network
from components.training.options import TrainingOptions
from components.training.train import train
from tests.components.training.tiny_training import OPTIONS, STOPPING, TINY, assert_equal_weights


@pytest.mark.usefixtures("small_network")
def test_equal_seeds_end_with_equal_weights(run, tmp_path):
    first, second = run(tmp_path / "first"), run(tmp_path / "second")
    assert_equal_weights(first, second)
    other = run(tmp_path / "other", OPTIONS.model_copy(update={"seed": 5}))
    assert any((a != b).any() for a, b in zip(other.model.get_weights(), first.model.get_weights(), strict=True))


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
