"""What the stock TFX Trainer calls.

TFX gives every attempt a new `model_run_dir`, so checkpoints lie elsewhere: under `checkpoint_base`, in a folder named
by a hash of everything that decides the result. The same training, started again after a kill, finds its checkpoint;
any other training does not.

`custom_config` of the Trainer:

| key | value |
|---|---|
| `record_format` | `RecordFormat` as a dict |
| `network` | `NetworkOptions` as a dict |
| `training` | `TrainingOptions` as a dict |
| `checkpoint_base` | folder for checkpoints, kept between runs |
| `model_name` | name of the model, for the progress lines |
| `pretrained_digest` | of the file `network.pretrained`, so that TFX's cache sees another one; checked here |
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import keras
import tensorflow as tf
from pydantic import ValidationError

from components.dataset.record_index import record_files
from components.dataset.statistics import SplitStatistics, split_statistics
from components.errors import ConfigError, DataError
from components.options import Options
from components.records.record_format import RecordFormat
from components.training.history import write_history
from components.training.network_fit import check_network
from components.training.options import NetworkOptions, TrainingOptions
from components.training.pictures import AUGMENTED_FILE, write_png
from components.training.signatures import export_saved_model
from components.training.strategy import is_chief, open_strategy
from components.training.train import train
from components.training.trained_settings import write_settings
from components.training.tuned import tuned
from components.training.warm_start import BaseModel, read_base_model
from components.training.weights_digest import weights_digest

RESULT_VERSION = 5
"""Raise it whenever a change of the code changes what a training gives: checkpoints of the old code then lie still."""

KERAS_MODEL_FILE = "network.keras"
LOG_FOLDER = "tensorboard"


ConfigT = TypeVar("ConfigT", bound=Options)


class TrainerConfig(Options):
    """The Trainer's `custom_config`."""

    record_format: RecordFormat
    network: NetworkOptions = NetworkOptions()
    training: TrainingOptions = TrainingOptions()
    checkpoint_base: str
    model_name: str = "eoseg"
    pretrained_digest: str = ""


def training_key(
    config: TrainerConfig, statistics: SplitStatistics, eval_fingerprint: str, base: BaseModel | None = None
) -> str:
    """The name of a training's checkpoint folder: 24 hex digits that everything which decides its result goes into.

    Args:
        config: Format and options count, and the weights to start from; the checkpoint folder and the model's name do
            not.
        statistics: Of the training records, with their fingerprint.
        eval_fingerprint: Of the eval records: they decide the history.
        base: The model to start from.
    """
    decides = {
        "version": RESULT_VERSION,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "record_format": config.record_format.model_dump(mode="json"),
        "network": config.network.model_dump(mode="json"),
        "pretrained": weights_digest(config.network.pretrained_path),
        "training": config.training.model_dump(
            mode="json", exclude={"checkpoint_every", "profile_steps", "warm_start"}
        ),
        "train": statistics.fingerprint,
        "eval": eval_fingerprint,
    }
    if base is not None:
        decides["base"] = base.digest
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]


def run_fn(fn_args: Any) -> None:
    """Trains and exports; the entry point of the TFX Trainer.

    Reads `fn_args.train_files` and `fn_args.eval_files` (patterns of uncompressed TFRecord files) and
    `fn_args.custom_config`; `fn_args.hyperparameters`, where a Tuner came before, replace some of its keys. Writes the
    SavedModel to `fn_args.serving_model_dir`, and to `fn_args.model_run_dir` the Keras model (`network.keras`),
    `history.json`, the settings it was trained with (`settings.json`), samples of augmentation (`augmented.png`) and
    TensorBoard logs. Of several workers only the first writes; all read its checkpoint, so that `checkpoint_base` must
    be shared.

    Args:
        fn_args: A `tfx.components.FnArgs`.

    Raises:
        ConfigError: If `custom_config` has a wrong or an unknown key.
        DataError, NetworkError, TrainingError: As `components.training.train.train`.
    """
    config = tuned(parsed_config(TrainerConfig, fn_args.custom_config), getattr(fn_args, "hyperparameters", None))
    check_network(config.network, config.record_format.patch_size, config.record_format.bands)
    # Before anything is computed: a cluster can only be joined then.
    strategy = open_strategy(config.training)
    train_files = record_files(fn_args.train_files)
    eval_files = record_files(fn_args.eval_files)
    if not train_files:
        raise DataError(
            f"no training records match {', '.join(fn_args.train_files)}",
            "at least one TFRecord file",
            "give the train split at least one tile",
        )
    statistics = split_statistics(train_files, config.record_format)
    eval_fingerprint = _fingerprint_of(eval_files, config.record_format)
    base = _base_model(fn_args, config)
    key = training_key(config, statistics, eval_fingerprint, base)
    run_dir = fn_args.model_run_dir
    tf.io.gfile.makedirs(run_dir)
    trained = train(
        train_files,
        eval_files if eval_fingerprint else (),
        config.record_format,
        config.network,
        config.training,
        os.path.join(config.checkpoint_base, key),  # noqa: PTH118 folders may be s3://
        log_folder=os.path.join(run_dir, LOG_FOLDER),  # noqa: PTH118
        statistics=statistics,
        strategy=strategy,
        base=base,
    )
    if not is_chief(strategy):
        return
    write_history(trained.history, run_dir)
    write_settings(config.network, config.training, run_dir)
    write_png(trained.augmented, os.path.join(run_dir, AUGMENTED_FILE))  # noqa: PTH118
    _save_keras_model(trained.model, os.path.join(run_dir, KERAS_MODEL_FILE))  # noqa: PTH118
    provenance = {"config_hash": key, "data_fingerprint": statistics.fingerprint}
    export_saved_model(trained.model, config.record_format, fn_args.serving_model_dir, provenance)


def parsed_config(kind: type[ConfigT], custom_config: dict[str, Any] | None) -> ConfigT:
    """A `custom_config` as options of its kind.

    Raises:
        ConfigError: If it has a wrong or an unknown key.
    """
    try:
        return kind.model_validate(custom_config or {})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(
            f"the custom_config cannot be used: {problems}",
            f"the keys {', '.join(kind.model_fields)}",
            "correct the configuration's network and training keys",
        ) from error


def _base_model(fn_args: Any, config: TrainerConfig) -> BaseModel | None:
    """The model of a warm start, `fn_args.base_model`; None where there is none, or none is wanted."""
    folder = getattr(fn_args, "base_model", None)
    if config.training.warm_start == "none" or not folder:
        return None
    return read_base_model(folder, config.record_format)


def _fingerprint_of(files: tuple[str, ...], record_format: RecordFormat) -> str:
    """The fingerprint of a split that may have no record: then the empty string."""
    if sum(tf.io.gfile.stat(path).length for path in files) == 0:
        return ""
    return split_statistics(files, record_format).fingerprint


def _save_keras_model(model: keras.Model, path: str) -> None:
    """Keras writes to local files only."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / KERAS_MODEL_FILE
        model.save(local)
        with local.open("rb") as source, tf.io.gfile.GFile(path, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 22)
