"""What the stock TFX Tuner calls: short trainings with drawn settings, judged by mean IoU on the eval split.

Trials are kept under `checkpoint_base`, in a folder named by a hash of everything that decides the search: one that was
killed goes on. The test split has no part in it.

`custom_config` of the Tuner: that of the Trainer (`components.training.run_fn`), and `tuning`, `TuningOptions` as a
dict.
"""

import hashlib
import os
from typing import Any, NamedTuple

import keras_tuner
from keras_tuner.engine import base_tuner

from components.dataset.record_index import record_files
from components.dataset.statistics import split_statistics
from components.errors import DataError
from components.training.networks import check_network
from components.training.run_fn import TrainerConfig, parsed_config, training_key
from components.training.train import train
from components.training.tuned import LEARNING_RATE, LOSS, WIDTH, with_values
from components.training.tuning_options import TuningOptions

_OBJECTIVE = "eval_mean_iou"


class TunerConfig(TrainerConfig):
    """The Tuner's `custom_config`."""

    tuning: TuningOptions


class TunerFnResult(NamedTuple):
    """What TFX expects of a `tuner_fn`; TFX's own class of this name has the same fields."""

    tuner: base_tuner.BaseTuner
    fit_kwargs: dict[str, Any]


class TrainingTuner(base_tuner.BaseTuner):
    """Runs trainings of this project instead of Keras' `fit`.

    Args:
        config: What is trained, and what is searched.
        train_files, eval_files: Uncompressed TFRecord files.
        folder: Where trials are kept.
    """

    def __init__(
        self, config: TunerConfig, train_files: tuple[str, ...], eval_files: tuple[str, ...], folder: str
    ) -> None:
        self._config = config
        self._files = (train_files, eval_files)
        self._folder = folder
        self._statistics = split_statistics(train_files, config.record_format)
        oracle = keras_tuner.oracles.RandomSearchOracle(
            objective=keras_tuner.Objective(_OBJECTIVE, "max"),
            max_trials=config.tuning.trials,
            seed=config.tuning.seed,
            hyperparameters=search_space(config),
        )
        super().__init__(oracle, directory=folder, project_name="trials")

    def run_trial(self, trial: Any, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Trains with the drawn settings; gives the eval mean IoU after the last step."""
        config = with_values(self._config, trial.hyperparameters.values)
        steps = config.tuning.steps
        training = config.training.model_copy(
            update={"steps": steps, "epochs": None, "warmup_steps": min(config.training.warmup_steps, steps // 4)}
        )
        key = training_key(config.model_copy(update={"training": training}), self._statistics, "")
        trained = train(
            *self._files,
            config.record_format,
            config.network,
            training,
            os.path.join(self._folder, key),  # noqa: PTH118 the folder may be s3://
            statistics=self._statistics,
        )
        return {_OBJECTIVE: trained.history[-1].eval_mean_iou or 0.0}

    def load_model(self, trial: Any) -> None:
        """Trials are for their settings: the Trainer trains anew, and longer."""


def search_space(config: TunerConfig) -> keras_tuner.HyperParameters:
    """What is drawn; the defaults are the configuration's own values where they can be."""
    space, tuning = keras_tuner.HyperParameters(), config.tuning
    if tuning.learning_rate:
        low, high = tuning.learning_rate
        space.Float(LEARNING_RATE, low, high, sampling="log")
    if tuning.widths:
        space.Choice(WIDTH, list(tuning.widths))
    if tuning.losses:
        space.Choice(LOSS, list(tuning.losses))
    return space


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """The search; the entry point of the TFX Tuner.

    Args:
        fn_args: A `tfx.components.FnArgs`.

    Raises:
        ConfigError: If `custom_config` has a wrong or an unknown key.
        DataError: If the train or the eval split has no records.
        NetworkError: If the network cannot take the patch size or the bands.
    """
    config = parsed_config(TunerConfig, fn_args.custom_config)
    check_network(config.network, config.record_format.patch_size, config.record_format.bands)
    files = record_files(fn_args.train_files), record_files(fn_args.eval_files)
    statistics = []
    for split, found in zip(("train", "eval"), files, strict=True):
        if not found:
            raise DataError(
                f"the {split} split has no records", "records to train and to compare by", f"give {split} a tile"
            )
        statistics.append(split_statistics(found, config.record_format))
    decides = training_key(config, statistics[0], statistics[1].fingerprint) + config.tuning.model_dump_json()
    name = f"tuning-{hashlib.sha256(decides.encode()).hexdigest()[:24]}"
    folder = os.path.join(config.checkpoint_base, name)  # noqa: PTH118
    return TunerFnResult(TrainingTuner(config, *files, folder), {})
