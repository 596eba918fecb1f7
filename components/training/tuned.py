"""The settings that a search has found, put into a training's configuration."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

LEARNING_RATE, WIDTH, LOSS = "training.learning_rate", "network.width", "training.loss"
"""Names of hyperparameters: the keys that they replace."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def with_values(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """A configuration with some keys replaced.

    Args:
        config: With the parts `network` and `training`.
        values: By key, such as `training.learning_rate`.

    Raises:
        pydantic.ValidationError: If a value does not fit its key.
    """
    changed = config.model_dump(mode="json", exclude_unset=True)
    for key, value in values.items():
        part, name = key.split(".", 1)
        changed.setdefault(part, {})[name] = value
    return type(config).model_validate(changed)


def tuned(config: ConfigT, hyperparameters: Mapping[str, Any] | None) -> ConfigT:
    """A configuration with what a Tuner found best.

    Args:
        config: With the parts `network` and `training`.
        hyperparameters: A `keras_tuner.HyperParameters` as its `get_config()` writes it; None changes nothing.
    """
    return with_values(config, hyperparameters["values"]) if hyperparameters else config
