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
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from pydantic import ValidationError

from components.dataset.record_index import record_files
from components.dataset.statistics import SplitStatistics, split_statistics
from components.errors import ConfigError, DataError
from components.options import Options
from components.records.record_format import RecordFormat
from components.training.history import write_history
from components.training.networks import check_network
from components.training.options import NetworkOptions, TrainingOptions
from components.training.signatures import export_saved_model
from components.training.train import train

RESULT_VERSION = 1
"""Raise it whenever a change of the code changes what a training gives: checkpoints of the old code then lie still."""

KERAS_MODEL_FILE = "network.keras"
LOG_FOLDER = "tensorboard"


class TrainerConfig(Options):
    """The Trainer's `custom_config`."""

    record_format: RecordFormat
    network: NetworkOptions = NetworkOptions()
    training: TrainingOptions = TrainingOptions()
    checkpoint_base: str
    model_name: str = "eoseg"


def training_key(config: TrainerConfig, statistics: SplitStatistics, eval_fingerprint: str) -> str:
    """The name of a training's checkpoint folder: 24 hex digits that everything which decides its result goes into.

    Args:
        config: Format and options count; the checkpoint folder and the model's name do not.
        statistics: Of the training records, with their fingerprint.
        eval_fingerprint: Of the eval records: they decide the history.
    """
    decides = {
        "version": RESULT_VERSION,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "record_format": config.record_format.model_dump(mode="json"),
        "network": config.network.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json", exclude={"checkpoint_every"}),
        "train": statistics.fingerprint,
        "eval": eval_fingerprint,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]


def run_fn(fn_args: Any) -> None:
    """Trains and exports; the entry point of the TFX Trainer.

    Reads `fn_args.train_files` and `fn_args.eval_files` (patterns of uncompressed TFRecord files) and
    `fn_args.custom_config`. Writes the SavedModel to `fn_args.serving_model_dir`, and to `fn_args.model_run_dir`
    the Keras model (`network.keras`), `history.json` and TensorBoard logs.

    Args:
        fn_args: A `tfx.components.FnArgs`.

    Raises:
        ConfigError: If `custom_config` has a wrong or an unknown key.
        DataError, NetworkError, TrainingError: As `components.training.train.train`.
    """
    config = _config(fn_args.custom_config)
    check_network(config.network, config.record_format.patch_size, config.record_format.bands)
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
    key = training_key(config, statistics, eval_fingerprint)
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
    )
    write_history(trained.history, run_dir)
    _save_keras_model(trained.model, os.path.join(run_dir, KERAS_MODEL_FILE))  # noqa: PTH118
    provenance = {"config_hash": key, "data_fingerprint": statistics.fingerprint}
    export_saved_model(trained.model, config.record_format, fn_args.serving_model_dir, provenance)


def _config(custom_config: dict[str, Any] | None) -> TrainerConfig:
    try:
        return TrainerConfig.model_validate(custom_config or {})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(
            f"the Trainer's custom_config cannot be used: {problems}",
            f"the keys {', '.join(TrainerConfig.model_fields)}",
            "correct the configuration's network and training keys",
        ) from error


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
