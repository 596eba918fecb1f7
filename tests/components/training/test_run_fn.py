import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from components.errors import ConfigError, DataError, MissingFileError, NetworkError
from components.training.networks import load_network
from components.training.options import NetworkOptions
from components.training.run_fn import TrainerConfig, run_fn, training_key
from components.training.weights_digest import weights_digest


@pytest.fixture
def fn_args(records_folder, record_format, tmp_path):
    def make(run: str = "run", **custom: object) -> SimpleNamespace:
        config = {
            "record_format": record_format.model_dump(mode="json"),
            "network": {"width": 0.125},
            "training": {"steps": 2, "batch_size": 4},
            "checkpoint_base": str(tmp_path / "checkpoints"),
            "model_name": "tiny",
        }
        return SimpleNamespace(
            train_files=[str(records_folder / "train-*")],
            eval_files=[str(records_folder / "eval-*")],
            serving_model_dir=str(tmp_path / run / "Format-Serving"),
            model_run_dir=str(tmp_path / run / "model_run"),
            custom_config={**config, **custom},
        )

    return make


def test_it_leaves_everything_the_next_steps_need(fn_args, make_patch, tmp_path):
    run_fn(fn_args())
    history = json.loads((tmp_path / "run/model_run/history.json").read_text())
    assert [epoch["step"] for epoch in history] == [2]
    assert any((tmp_path / "run/model_run/tensorboard").iterdir())
    sheet = tf.io.decode_png((tmp_path / "run/model_run/augmented.png").read_bytes()).numpy()
    assert sheet.shape == (6 * 36 - 4, 8 * 36 - 4, 3)  # 6 patches of 32; 4 times image and label; gaps of 4
    image = make_patch(0).image[None]
    logits = load_network(str(tmp_path / "run/model_run/network.keras"))(image).numpy()
    served = tf.saved_model.load(str(tmp_path / "run/Format-Serving")).signatures["serving_default"]
    assert (served(image=tf.constant(image))["class_ids"].numpy() == logits.argmax(axis=-1)).mean() > 0.99


@pytest.mark.usefixtures("small_network")
def test_a_new_run_of_the_same_training_finds_its_checkpoint(fn_args, tmp_path, capsys):
    run_fn(fn_args("first"))
    run_fn(fn_args("second", model_name="renamed"))
    assert "going on from the checkpoint at step 2 of 2" in capsys.readouterr().out
    first, second = (load_network(str(tmp_path / run / "model_run/network.keras")) for run in ("first", "second"))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    run_fn(fn_args("third", training={"steps": 2, "batch_size": 4, "seed": 1}))
    assert "going on" not in capsys.readouterr().out
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_other_weights_under_the_same_name_are_another_training(record_format, tmp_path):
    weights = tmp_path / "vgg16.h5"
    config = TrainerConfig(
        record_format=record_format, network=NetworkOptions(pretrained=str(weights)), checkpoint_base="c"
    )
    keys = []
    for content in (b"first", b"first", b"second"):
        weights.write_bytes(content)
        keys.append(training_key(config, SimpleNamespace(fingerprint="f"), ""))
    assert keys[0] == keys[1] != keys[2]
    assert weights_digest(str(weights)) == hashlib.sha256(b"second").hexdigest()
    assert weights_digest("imagenet") == weights_digest("none") == ""
    weights.unlink()
    with pytest.raises(MissingFileError, match=r"network\.pretrained names .*vgg16\.h5, which is no file here"):
        training_key(config, SimpleNamespace(fingerprint="f"), "")


def test_wrong_keys_are_named(fn_args):
    with pytest.raises(ConfigError, match=r"training\.stepz"):
        run_fn(fn_args(training={"stepz": 2}))


def test_bad_input_ends_with_a_clear_message(fn_args, record_format):
    odd = record_format.model_copy(update={"patch_size": 40}).model_dump(mode="json")
    with pytest.raises(NetworkError, match="32 or 64"):
        run_fn(fn_args(record_format=odd))
    args = fn_args()
    args.train_files = ["/nowhere/train-*"]
    with pytest.raises(DataError, match="/nowhere/train-"):
        run_fn(args)
