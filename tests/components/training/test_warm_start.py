import io
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from components.classes import ClassTable, LandClass
from components.errors import TrainingError
from components.records.record_format import RecordFormat
from components.training.learner import build_learner
from components.training.networks import LOGITS, build_network
from components.training.options import NetworkOptions, TrainingOptions
from components.training.run_fn import TrainerConfig, run_fn, training_key
from components.training.signatures import export_saved_model
from components.training.strategy import open_strategy
from components.training.train import train
from components.training.warm_start import read_base_model, start_from

STEPS = TrainingOptions(steps=1, batch_size=2)


def network(record_format, seed=0, width=0.0625, **more):
    options = NetworkOptions(name="unet", width=width)
    return build_network(options, record_format, [100.0, 100.0], [50.0, 50.0], seed=seed, **more)


@pytest.fixture(scope="module")
def exported(record_format, tmp_path_factory):
    """A network of seed 1, and the folder it was exported to."""
    folder = str(tmp_path_factory.mktemp("base") / "Format-Serving")
    model = network(record_format, seed=1)
    export_saved_model(model, record_format, folder)
    return model, folder


def learner_of(record_format, training=STEPS, **more):
    def build(*, dtype, auxiliary=False, pretrained):
        return network(record_format, seed=2, dtype=dtype, auxiliary=auxiliary, pretrained=pretrained, **more)

    return build_learner(build, training, 1, open_strategy(training), pretrained=False)


@pytest.mark.parametrize("ema", [None, 0.99])
def test_a_learner_becomes_the_exported_network(record_format, exported, make_patch, ema):
    model, folder = exported
    learner = learner_of(record_format, STEPS.model_copy(update={"ema": ema}))
    image = make_patch(0).image[None]
    assert not np.allclose(learner.exported(image), model(image))
    assert start_from(learner, read_base_model(folder, record_format)).startswith("warm start: from the weights of")
    np.testing.assert_array_equal(learner.exported(image), model(image))
    np.testing.assert_array_equal(learner.model(image)[LOGITS], model(image))


def test_another_network_starts_anew_and_says_so(record_format, exported, make_patch):
    learner = learner_of(record_format, width=0.25)
    image = make_patch(0).image[None]
    before = np.asarray(learner.exported(image))
    assert "has another network: its variable 0 has the shape" in start_from(
        learner, read_base_model(exported[1], record_format)
    )
    np.testing.assert_array_equal(learner.exported(image), before)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bands": ("noise", "gray")}, "was trained on the bands gray, noise, not noise, gray"),
        (
            {"table": ClassTable(classes=tuple(LandClass(name=n, color=(i, i, i)) for i, n in enumerate("abc")))},
            "has the classes dark, bright, absent, not a, b, c",
        ),
    ],
)
def test_other_bands_or_classes_start_anew_though_all_shapes_fit(record_format, exported, change, reason):
    other: RecordFormat = record_format.model_copy(update=change)
    assert reason in start_from(learner_of(other), read_base_model(exported[1], other))


def test_a_model_that_is_gone_is_named(record_format, tmp_path):
    with pytest.raises(TrainingError, match=r"which training\.warm_start starts from, cannot be read"):
        read_base_model(str(tmp_path / "gone"), record_format)


def test_weights_decide_which_training_it_is(record_format, exported, tmp_path):
    other = network(record_format, seed=1)
    other.variables[0].assign_add(np.full(other.variables[0].shape, 1e-3, np.float32))
    export_saved_model(other, record_format, str(tmp_path / "other"))
    config = TrainerConfig(record_format=record_format, checkpoint_base="c")
    bases = [None, read_base_model(exported[1], record_format), read_base_model(str(tmp_path / "other"), record_format)]
    keys = [training_key(config, SimpleNamespace(fingerprint="f"), "", base) for base in bases]
    assert len(set(keys)) == 3
    warm = config.model_copy(update={"training": config.training.model_copy(update={"warm_start": "blessed"})})
    assert training_key(warm, SimpleNamespace(fingerprint="f"), "", None) == keys[0]  # nothing to start from, yet


@pytest.mark.usefixtures("small_network")
def test_a_training_goes_on_from_its_checkpoint_and_not_from_the_base(record_format, records_folder, tmp_path):
    files = [str(records_folder / "train-00000-of-00001")]
    first = train(files, (), record_format, NetworkOptions(), STEPS, str(tmp_path / "first"), stream=io.StringIO())
    export_saved_model(first.model, record_format, str(tmp_path / "base"))
    base = read_base_model(str(tmp_path / "base"), record_format)
    said = []
    for _ in range(2):
        lines = io.StringIO()
        folder = str(tmp_path / "second")
        second = train(files, (), record_format, NetworkOptions(), STEPS, folder, stream=lines, base=base)
        said.append(lines.getvalue())
    assert "warm start: from the weights of" in said[0]
    assert "warm start" not in said[1]
    assert "going on from the checkpoint" in said[1]
    assert any(not np.array_equal(a, b) for a, b in zip(first.model.weights, second.model.weights, strict=True))


@pytest.mark.usefixtures("small_network")
def test_the_trainer_takes_its_base_model_only_where_it_is_wanted(record_format, records_folder, tmp_path, capsys):
    def run(name, warm_start, base=None):
        run_fn(
            SimpleNamespace(
                train_files=[str(records_folder / "train-*")],
                eval_files=[str(records_folder / "eval-*")],
                serving_model_dir=str(tmp_path / name / "Format-Serving"),
                model_run_dir=str(tmp_path / name / "model_run"),
                base_model=base,
                custom_config={
                    "record_format": record_format.model_dump(mode="json"),
                    "training": {"steps": 1, "batch_size": 4, "warm_start": warm_start},
                    "checkpoint_base": str(tmp_path / "checkpoints"),
                },
            )
        )
        return capsys.readouterr().out

    assert "warm start" not in run("first", "blessed")
    base = str(tmp_path / "first" / "Format-Serving")
    assert f"warm start: from the weights of {base}" in run("second", "blessed", base)
    assert "warm start" not in run("third", "none", base)
    assert len(tf.io.gfile.listdir(str(tmp_path / "checkpoints"))) == 2
