import json
from types import SimpleNamespace

import pytest
from keras_tuner.engine import trial as trials

from components.errors import ConfigError, DataError
from components.training.run_fn import TrainerConfig
from components.training.tuned import tuned
from components.training.tuner_fn import tuner_fn
from components.training.tuning_options import TuningOptions


@pytest.fixture
def fn_args(records_folder, record_format, tmp_path):
    def make(**tuning: object) -> SimpleNamespace:
        config = {
            "record_format": record_format.model_dump(mode="json"),
            "network": {"width": 0.25},
            "training": {"steps": 50, "batch_size": 4, "warmup_steps": 20},
            "checkpoint_base": str(tmp_path / "checkpoints"),
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
    capsys.readouterr()
    again, _ = tuner_fn(args)
    again.search()
    assert "epoch" not in capsys.readouterr().out
    assert again.get_best_hyperparameters()[0].values == tuner.get_best_hyperparameters()[0].values


def test_without_a_search_nothing_changes(fn_args):
    custom = {key: value for key, value in fn_args().custom_config.items() if key != "tuning"}
    config = TrainerConfig.model_validate(custom)
    assert tuned(config, None) is config


def test_bad_input_ends_with_a_clear_message(fn_args):
    args = fn_args()
    args.eval_files = ["/nowhere/eval-*"]
    with pytest.raises(DataError, match="the eval split has no records"):
        tuner_fn(args)
    with pytest.raises(ConfigError, match=r"tuning: Value error, nothing is searched"):
        tuner_fn(fn_args(learning_rate=None))
    with pytest.raises(ValueError, match="is no range"):
        TuningOptions(learning_rate=(0.1, 0.1))
