"""The trainer leaves the settings that it trained with: after a search, those that were found."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.records.record_format import RecordFormat
from components.training.loss_options import LossOptions
from components.training.network_options import NetworkOptions
from components.training.options import TrainingOptions
from components.training.run_fn import run_fn
from components.training.trained_settings import (
    ReplacedSetting,
    read_settings,
    replaced_settings,
    write_settings,
)


def config(network: NetworkOptions, training: TrainingOptions) -> dict[str, Any]:
    return {"network": network.model_dump(mode="json"), "training": training.model_dump(mode="json"), "name": "x"}


def test_settings_that_were_written_are_read_back_as_options(tmp_path: Path) -> None:
    assert read_settings(str(tmp_path)) is None
    network = NetworkOptions(width=0.5, classifier_kernels=(3, 5))
    training = TrainingOptions(steps=7, loss=LossOptions(dice=1.0), class_weights={"roof": 2.0})
    write_settings(network, training, str(tmp_path))
    settings = read_settings(str(tmp_path))
    assert settings is not None
    assert NetworkOptions.model_validate(settings["network"]) == network
    assert TrainingOptions.model_validate(settings["training"]) == training
    assert replaced_settings(config(network, training), settings) == []


def test_only_keys_that_differ_are_replaced_ones(tmp_path: Path) -> None:
    write_settings(NetworkOptions(width=0.5), TrainingOptions(loss=LossOptions(dice=1.0)), str(tmp_path))
    settings = read_settings(str(tmp_path))
    assert settings is not None
    assert replaced_settings(config(NetworkOptions(), TrainingOptions()), settings) == [
        ReplacedSetting("network.width", 1.0, 0.5),
        ReplacedSetting("training.loss.cross_entropy", 1.0, 0.0),
        ReplacedSetting("training.loss.dice", 0.0, 1.0),
    ]


@pytest.mark.usefixtures("small_network")
def test_the_trainer_writes_what_a_search_found(
    records_folder: Path, record_format: RecordFormat, tmp_path: Path
) -> None:
    run_fn(
        SimpleNamespace(
            train_files=[str(records_folder / "train-*")],
            eval_files=[str(records_folder / "eval-*")],
            serving_model_dir=str(tmp_path / "Format-Serving"),
            model_run_dir=str(tmp_path / "model_run"),
            hyperparameters={"values": {"training.learning_rate": 0.004, "training.loss": "dice"}},
            custom_config={
                "record_format": record_format.model_dump(mode="json"),
                "network": {"width": 0.125},
                "training": {"steps": 1, "batch_size": 4, "learning_rate": 0.01},
                "checkpoint_base": str(tmp_path / "checkpoints"),
            },
        )
    )
    settings = read_settings(str(tmp_path / "model_run"))
    assert settings is not None
    training = TrainingOptions.model_validate(settings["training"])
    assert (training.learning_rate, training.loss, training.steps) == (0.004, LossOptions(dice=1.0), 1)
    assert settings["network"]["width"] == 0.125
