import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.options import NetworkOptions, TrainingOptions
from components.training.train import train


@pytest.mark.usefixtures("small_network")
def test_tensorboard_shows_predictions_after_each_epoch_and_a_profile_on_request(
    records_folder, record_format, tmp_path
):
    options = TrainingOptions(steps=4, batch_size=4, steps_per_epoch=2, profile_steps=(2, 3))
    files = ([str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval"))
    logs = tmp_path / "logs"
    trained = train(
        *files,
        record_format,
        NetworkOptions(),
        options,
        str(tmp_path / "c"),
        log_folder=str(logs),
        stream=io.StringIO(),
    )
    (events,) = logs.glob("events.out.tfevents.*[!profile-empty]")
    pictures, scalars = {}, {}
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "images":
                pictures.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor)[2]))
            elif value.metadata.plugin_data.plugin_name == "scalars":
                scalars.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    for tag, values in {
        "train/loss": [record.loss for record in trained.history],
        "train/patches_per_second": [record.patches_per_second for record in trained.history],
        "eval/mean_iou": [record.eval_mean_iou for record in trained.history],
        "eval_iou/dark": [record.eval_iou["dark"] for record in trained.history],
    }.items():
        assert scalars[tag] == pytest.approx(dict(zip((2, 4), values, strict=True)), rel=1e-6)
    assert [step for step, _ in pictures["eval/confusion"]] == [2, 4]
    assert [step for step, _ in pictures["eval/predictions"]] == [2, 4]
    ((step, png),) = pictures["train/augmented"]
    assert step == 0
    np.testing.assert_array_equal(tf.io.decode_png(png), trained.augmented)
    assert list(logs.glob("plugins/profile/*/*.xplane.pb"))


def test_a_profile_ends_after_it_begins():
    with pytest.raises(ValueError, match="end before they begin"):
        TrainingOptions(profile_steps=(5, 4))


@pytest.mark.usefixtures("small_network")
def test_a_training_that_goes_on_behind_its_profile_says_so_and_within_it_makes_the_rest(
    records_folder, record_format, tmp_path
):
    files = [[str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval")]

    def trained(steps: int, profile_steps: tuple[int, int]) -> tuple[str, list[Path]]:
        options = TrainingOptions(steps=steps, batch_size=4, steps_per_epoch=2, profile_steps=profile_steps)
        said, logs = io.StringIO(), tmp_path / f"logs{profile_steps[1]}"
        folder = str(tmp_path / "checkpoints")
        train(*files, record_format, NetworkOptions(), options, folder, log_folder=str(logs), stream=said)
        return said.getvalue(), list(logs.glob("plugins/profile/*/*.xplane.pb"))

    assert trained(2, (1, 2))[1]
    said, profiles = trained(4, (1, 3))
    assert profiles
    assert "no profile" not in said
    said, profiles = trained(4, (1, 4))
    assert not profiles
    assert "no profile was made: none of the steps 1 to 4 was trained now" in said
