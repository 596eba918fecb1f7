"""What the stock TFX Tuner calls: short trainings with drawn settings, judged by mean IoU on the eval split.

Trials are kept under `checkpoint_base`, in a folder named by a hash of everything that decides the search: one that was
killed goes on. The test split has no part in it.

`custom_config` of the Tuner: that of the Trainer (`components.training.run_fn`), `tuning`, `TuningOptions` as a dict,
and `search_version`, so that TFX's cache sees a search that has changed.
"""

import contextlib
import hashlib
import io
import os
from typing import Any, NamedTuple

import keras_tuner
import tensorflow as tf
from keras_tuner.engine import base_tuner
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FailedTrialError, FatalError

from components.dataset.record_index import record_files
from components.dataset.statistics import split_statistics
from components.errors import ConfigError, DataError, TrainingError
from components.training.diverged import DivergedError
from components.training.network_fit import check_network
from components.training.run_fn import TrainerConfig, parsed_config, training_key
from components.training.state import best_epoch
from components.training.strategy import open_strategy, worker_count
from components.training.train import train
from components.training.tuned import LEARNING_RATE, LOSS, WIDTH, with_values
from components.training.tuning_options import SEARCH_VERSION, TuningOptions

_OBJECTIVE = "eval_mean_iou"
_PROJECT = "trials"


class TunerConfig(TrainerConfig):
    """The Tuner's `custom_config`."""

    tuning: TuningOptions
    search_version: int = SEARCH_VERSION


class TunerFnResult(NamedTuple):
    """What TFX expects of a `tuner_fn`; TFX's own class of this name has the same fields."""

    tuner: base_tuner.BaseTuner
    fit_kwargs: dict[str, Any]


class TrainingTuner(base_tuner.BaseTuner):
    """Runs trainings of this project instead of Keras' `fit`.

    A trial that diverges has failed, and the search goes on; any other error ends the search.

    Args:
        config: What is trained, and what is searched.
        train_files, eval_files: Uncompressed TFRecord files.
        folder: Where trials are kept.
        strategy: Where the trials compute.
    """

    def __init__(
        self,
        config: TunerConfig,
        train_files: tuple[str, ...],
        eval_files: tuple[str, ...],
        folder: str,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._config = config
        self._strategy = strategy
        self._files = (train_files, eval_files)
        self._folder = folder
        self._statistics = split_statistics(train_files, config.record_format)
        # KerasTuner's own lines and tables would stand between those of the trainings.
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                super().__init__(_oracle(config), directory=folder, project_name=_PROJECT)
            except (ValueError, KeyError):
                # A kill while KerasTuner wrote its notes. The same trials are drawn again, and each finds its training.
                super().__init__(_oracle(config), directory=folder, project_name=_PROJECT, overwrite=True)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Does the trials that are left.

        Raises:
            TrainingError: If none of them came to an end.
            Exception: What ended the search, such as a full disk.
        """
        try:
            super().search(*fit_args, **fit_kwargs)
        except FatalError as error:
            raise error.__cause__ or error from None
        if not any(trial.score is not None for trial in self.oracle.trials.values()):
            raise TrainingError(
                f"all {len(self.oracle.trials)} trials of the search diverged",
                "settings to search with which a training of "
                f"{self._config.tuning.steps} steps comes to an end with finite numbers",
                "set tuning.learning_rate lower, or add training.warmup_steps or training.gradient_clip",
            )

    def search_space_summary(self, extended: bool = False) -> None:
        """Nothing: the configuration says it."""

    def results_summary(self, *_args: Any, **_kwargs: Any) -> None:
        """One line a trial, the best first: of all of them, whatever number TFX asks for."""
        for trial in self.oracle.get_best_trials(len(self.oracle.trials)):
            score = "diverged" if trial.score is None else f"eval mean IoU {trial.score:.3f}"
            print(f"trial {int(trial.trial_id) + 1}: {score}  {_said(trial)}")

    def _try_run_and_update_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> None:
        # KerasTuner's own prints the traceback of what `run_trial` has told in a line.
        try:
            self._run_and_update_trial(trial, *fit_args, **fit_kwargs)
        except FailedTrialError as error:
            trial.status, trial.message = TrialStatus.FAILED, str(error)
        else:
            trial.status = TrialStatus.COMPLETED

    def run_trial(self, trial: Any, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Trains with the drawn settings; gives the eval mean IoU of the network that such a training exports."""
        print(f"trial {int(trial.trial_id) + 1} of {self._config.tuning.trial_count}: {_said(trial)}", flush=True)
        try:
            return self._measured(trial)
        except DivergedError as error:
            print(f"trial {int(trial.trial_id) + 1} failed: {error.problem.splitlines()[0]}", flush=True)
            raise FailedTrialError(error.problem) from error
        except Exception as error:
            # KerasTuner would note it in a file and go on to the next trial, which would meet it too.
            raise FatalError(str(error)) from error

    def _measured(self, trial: Any) -> dict[str, float]:
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
            strategy=self._strategy,
        )
        best = best_epoch(trained.history) if training.export == "best" else None
        return {_OBJECTIVE: (best or trained.history[-1]).eval_mean_iou or 0.0}

    def load_model(self, trial: Any) -> None:
        """Trials are for their settings: the Trainer trains anew, and longer."""


def _oracle(config: TunerConfig) -> keras_tuner.oracles.RandomSearchOracle:
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=config.tuning.trials,
        # KerasTuner takes 0 for no seed, and draws one.
        seed=config.tuning.seed + 1,
        hyperparameters=search_space(config),
        # Never: `TrainingTuner.search` says what there is to say when all have failed.
        max_consecutive_failed_trials=config.tuning.trials + 1,
    )
    oracle.verbose = 0
    return oracle


def _said(trial: Any) -> str:
    """The drawn settings of a trial, for a person."""
    values = trial.hyperparameters.values
    return "  ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


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
        ConfigError: If `custom_config` has a wrong or an unknown key, TF_CONFIG names several workers, or there is no
            GPU where one is asked for.
        DataError: If the train or the eval split has no records or no labels.
        NetworkError: If the network cannot take the patch size or the bands.
    """
    config = parsed_config(TunerConfig, fn_args.custom_config)
    check_network(config.network, config.record_format.patch_size, config.record_format.bands)
    if config.training.strategy == "auto" and worker_count() > 1:
        raise ConfigError(
            f"tuning searches on one machine, but TF_CONFIG names {worker_count()} workers",
            "one machine, or no search",
            "unset TF_CONFIG for the search, or remove tuning and write what it found into network and training",
        )
    # Before anything is computed: how a GPU's memory is taken, and whether one is seen, is settled then.
    strategy = open_strategy(config.training)
    files = record_files(fn_args.train_files), record_files(fn_args.eval_files)
    statistics = []
    for split, found in zip(("train", "eval"), files, strict=True):
        if not found:
            raise DataError(
                f"the {split} split has no records", "records to train and to compare by", f"give {split} a tile"
            )
        statistics.append(split_statistics(found, config.record_format))
        if not statistics[-1].class_pixels.any():
            raise DataError(
                f"the {split} split has no labelled pixel", "labels to learn from and to compare by", "check its labels"
            )
    decides = training_key(config, statistics[0], statistics[1].fingerprint) + config.tuning.model_dump_json()
    decides += f" {config.search_version}"
    name = f"tuning-{hashlib.sha256(decides.encode()).hexdigest()[:24]}"
    folder = os.path.join(config.checkpoint_base, name)  # noqa: PTH118
    return TunerFnResult(TrainingTuner(config, *files, folder, strategy), {})
