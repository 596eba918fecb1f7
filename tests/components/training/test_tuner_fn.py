import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from keras_tuner.engine import trial as trials

from components.classes import VOID_ID
from components.dataset.statistics import split_statistics
from components.errors import ConfigError, DataError, TrainingError
from components.records.patch_example import encode_patch
from components.training.diverged import DivergedError
from components.training.loss_options import TERMS, LossOptions
from components.training.run_fn import TrainerConfig
from components.training.tuned import tuned
from components.training.tuner_fn import tuner_fn
from components.training.tuning_options import TuningOptions


@pytest.fixture
def fn_args(records_folder, record_format, tmp_path):
    def make(base: str = "checkpoints", **tuning: object) -> SimpleNamespace:
        config = {
            "record_format": record_format.model_dump(mode="json"),
            "network": {"width": 0.25},
            "training": {"steps": 50, "batch_size": 4, "warmup_steps": 20},
            "checkpoint_base": str(tmp_path / base),
            "tuning": {"trials": 3, "steps": 2, **tuning},
        }
        return SimpleNamespace(
            train_files=[str(records_folder / "train-*")],
            eval_files=[str(records_folder / "eval-*")],
            custom_config=json.loads(json.dumps(config)),
        )

    return make


@pytest.mark.usefixtures("small_network")
def test_the_best_trial_feeds_the_trainer_and_a_finished_search_is_not_repeated(fn_args, capsys):
    args = fn_args(widths=[0.125, 0.5], losses=["dice", "lovasz"])
    tuner, fit_kwargs = tuner_fn(args)
    tuner.search(**fit_kwargs)
    done = tuner.oracle.get_best_trials(10)
    assert len(done) == 3
    assert all(trial.status == trials.TrialStatus.COMPLETED for trial in done)
    assert done[0].score == max(trial.score for trial in done)
    best = tuner.get_best_hyperparameters()[0].get_config()
    custom = {key: value for key, value in args.custom_config.items() if key != "tuning"}
    config = tuned(TrainerConfig.model_validate(custom), json.loads(json.dumps(best)))
    assert 1e-4 <= config.training.learning_rate <= 1e-2
    assert config.network.width in (0.125, 0.5)
    assert sum((config.training.loss.dice, config.training.loss.lovasz)) == 1
    assert (config.training.steps, config.training.warmup_steps) == (50, 20)
    lines = capsys.readouterr().out.splitlines()
    # A line for what is tried, then the training's own.
    assert [line.split(":")[0] for line in lines[::2]] == ["trial 1 of 3", "trial 2 of 3", "trial 3 of 3"]
    assert all("  training.loss " in line and "network.width 0." in line for line in lines[::2])
    assert all(line.startswith("epoch 1/1  step 2/2") for line in lines[1::2])
    tuner.search_space_summary()
    tuner.results_summary()
    summary = capsys.readouterr().out.splitlines()
    assert len(summary) == 3
    assert summary[0].startswith(f"trial {int(done[0].trial_id) + 1}: eval mean IoU {done[0].score:.3f}  ")
    again, _ = tuner_fn(args)
    again.search()
    assert capsys.readouterr().out == ""
    assert again.get_best_hyperparameters()[0].values == tuner.get_best_hyperparameters()[0].values


def drawn(args: SimpleNamespace) -> dict[str, dict[str, object]]:
    tuner, fit_kwargs = tuner_fn(args)
    tuner.search(**fit_kwargs)
    return {name: trial.hyperparameters.values for name, trial in tuner.oracle.trials.items()}


@pytest.fixture
def no_training(monkeypatch):
    """Every trial ends at once: with the given quality, or in an error."""
    outcomes: list[object] = []

    def train(*_args: object, **_kwargs: object) -> SimpleNamespace:
        outcome = outcomes.pop(0) if outcomes else 0.5
        if isinstance(outcome, BaseException):
            raise outcome
        return SimpleNamespace(history=[SimpleNamespace(eval_mean_iou=outcome)])

    monkeypatch.setattr("components.training.tuner_fn.train", train)
    return outcomes


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("seed", [0, 5])
def test_the_seed_decides_what_is_drawn(fn_args, seed: int):
    assert drawn(fn_args("first", seed=seed)) == drawn(fn_args("second", seed=seed))
    assert drawn(fn_args("third", seed=seed + 1)) != drawn(fn_args("first", seed=seed))


@pytest.mark.parametrize("at", [0, 2])
def test_a_search_that_is_killed_goes_on_with_the_trial_it_was_in(fn_args, no_training, at: int):
    class Killed(BaseException):
        pass

    unbroken = drawn(fn_args("unbroken"))
    args = fn_args("killed")
    no_training += [0.5] * at + [Killed()]
    with pytest.raises(Killed):
        drawn(args)
    no_training += [0.25] * (3 - at)
    assert drawn(args) == unbroken
    assert no_training == []


@pytest.mark.usefixtures("no_training")
def test_notes_that_a_kill_left_half_written_are_written_anew(fn_args, tmp_path):
    first = drawn(fn_args())
    (notes,) = tmp_path.glob("checkpoints/*/trials/oracle.json")
    notes.write_text(notes.read_text()[:100])
    assert drawn(fn_args()) == first


def test_a_trial_that_diverges_has_failed_and_the_search_goes_on(fn_args, no_training, capsys):
    no_training += [DivergedError("the loss became nan at step 3\n  the batch: ..."), 0.25, 0.5]
    tuner, _ = tuner_fn(fn_args())
    tuner.search()
    assert tuner.oracle.get_best_trials(1)[0].score == 0.5
    out, err = capsys.readouterr()
    assert "trial 1 failed: the loss became nan at step 3\ntrial 2 of 3: " in out
    assert "Traceback" not in err
    tuner.results_summary()
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "trial 3: eval mean IoU 0.500", "trial 2: eval mean IoU 0.250", "trial 1: diverged",
    ]  # fmt: skip


def test_no_setting_is_tried_twice_and_the_count_says_so(fn_args, no_training, capsys):
    tuner, _ = tuner_fn(fn_args(trials=5, learning_rate=None, losses=["dice", "lovasz"]))
    tuner.search()
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["trial 1 of 2", "trial 2 of 2"]


def test_a_searched_loss_keeps_what_belongs_to_it(fn_args):
    custom = {key: value for key, value in fn_args().custom_config.items() if key != "tuning"}
    custom["training"]["loss"] = {"cross_entropy": 1, "focal": 1, "focal_gamma": 3, "label_smoothing": 0.1}
    custom["training"]["loss"]["auxiliary"] = 0.2
    config = TrainerConfig.model_validate(custom)
    found = {term: tuned(config, {"values": {"training.loss": term}}).training.loss for term in TERMS}
    assert found["cross_entropy"] == LossOptions(cross_entropy=1, label_smoothing=0.1, auxiliary=0.2)
    assert found["focal"] == LossOptions(focal=1, focal_gamma=3, auxiliary=0.2)
    assert found["dice"] == LossOptions(dice=1, auxiliary=0.2)


def test_a_search_without_a_result_says_so(fn_args, no_training):
    no_training += [DivergedError("the loss became nan")] * 3
    tuner, _ = tuner_fn(fn_args())
    with pytest.raises(TrainingError, match="all 3 trials of the search diverged"):
        tuner.search()


def test_an_error_that_is_not_of_the_settings_ends_the_search(fn_args, no_training):
    no_training += [TrainingError("no space left")]
    tuner, _ = tuner_fn(fn_args())
    with pytest.raises(TrainingError, match="no space left"):
        tuner.search()
    # Mended, the same search goes on with that trial.
    assert len(drawn(fn_args())) == 3


@pytest.mark.parametrize(("export", "score"), [("last", 0.2), ("best", 0.7)])
def test_a_trial_is_as_good_as_the_network_that_it_would_export(fn_args, monkeypatch, export: str, score: float):
    args = fn_args(trials=1)
    args.custom_config["training"]["export"] = export
    history = [SimpleNamespace(eval_mean_iou=quality) for quality in (0.4, 0.7, 0.2)]
    monkeypatch.setattr("components.training.tuner_fn.train", lambda *_, **__: SimpleNamespace(history=history))
    tuner, fit_kwargs = tuner_fn(args)
    tuner.search(**fit_kwargs)
    assert tuner.oracle.get_best_trials(1)[0].score == score


def test_devices_are_set_up_before_anything_is_computed_and_every_trial_computes_there(fn_args, monkeypatch):
    happened: list[object] = []
    strategy = tf.distribute.get_strategy()

    def train(*_args: object, **kwargs: object) -> SimpleNamespace:
        happened.append(kwargs["strategy"])
        return SimpleNamespace(history=[SimpleNamespace(eval_mean_iou=0.5)])

    def opened(_training: object) -> tf.distribute.Strategy:
        happened.append("devices")
        return strategy

    def counted(*arguments: object) -> object:
        happened.append("computed")
        return split_statistics(*arguments)

    monkeypatch.setattr("components.training.tuner_fn.train", train)
    monkeypatch.setattr("components.training.tuner_fn.open_strategy", opened)
    monkeypatch.setattr("components.training.tuner_fn.split_statistics", counted)
    tuner, fit_kwargs = tuner_fn(fn_args(trials=2))
    tuner.search(**fit_kwargs)
    assert happened[:2] == ["devices", "computed"]
    assert [each for each in happened if not isinstance(each, str)] == [strategy, strategy]


def test_without_a_search_nothing_changes(fn_args):
    custom = {key: value for key, value in fn_args().custom_config.items() if key != "tuning"}
    config = TrainerConfig.model_validate(custom)
    assert tuned(config, None) is config


def test_bad_input_ends_with_a_clear_message(fn_args, make_patch, record_format, tmp_path):
    args = fn_args()
    with tf.io.TFRecordWriter(str(tmp_path / "eval-void")) as writer:
        void = replace(make_patch(0), label=np.full((32, 32), VOID_ID, np.uint8))
        writer.write(encode_patch(void, record_format.table.names, record_format.bands))
    args.eval_files = [str(tmp_path / "eval-void")]
    with pytest.raises(DataError, match="the eval split has no labelled pixel"):
        tuner_fn(args)
    args.eval_files = ["/nowhere/eval-*"]
    with pytest.raises(DataError, match="the eval split has no records"):
        tuner_fn(args)
    with pytest.raises(ConfigError, match=r"tuning: Value error, nothing is searched"):
        tuner_fn(fn_args(learning_rate=None))
    with pytest.raises(ValueError, match="is no range"):
        TuningOptions(learning_rate=(0.1, 0.1))
    with pytest.raises(ValueError, match="less than or equal to 4"):
        TuningOptions(widths=(0.25, 5))


def test_a_search_on_several_machines_is_refused(fn_args, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}}))
    with pytest.raises(ConfigError, match="searches on one machine, but TF_CONFIG names 2 workers"):
        tuner_fn(fn_args())
