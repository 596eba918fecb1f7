"""The settings that a search has found, put into a training's configuration."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

LEARNING_RATE, WIDTH, LOSS = "training.learning_rate", "network.width", "training.loss"
"""Names of hyperparameters: the keys that they replace."""

_OF_ALL = ("auxiliary",)
_OF = {"cross_entropy": ("label_smoothing",), "focal": ("focal_gamma",)}
"""Settings of a loss beside its weight."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def with_values(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """A configuration with some keys replaced.

    Args:
        config: With the parts `network` and `training`.
        values: By key, such as `training.learning_rate`. A loss's name as `training.loss` replaces the sum, and keeps
            those of its settings that belong to this loss.

    Raises:
        pydantic.ValidationError: If a value does not fit its key.
    """
    changed = config.model_dump(mode="json", exclude_unset=True)
    for key, value in values.items():
        part, name = key.split(".", 1)
        place = changed.setdefault(part, {})
        place[name] = _alone(value, place.get(name)) if key == LOSS else value
    return type(config).model_validate(changed)


def _alone(term: Any, before: Any) -> Any:
    """A loss alone, with those settings of the sum before it that belong to it."""
    if not isinstance(term, str) or not isinstance(before, Mapping):
        return term
    return {term: 1.0, **{key: value for key, value in before.items() if key in (*_OF_ALL, *_OF.get(term, ()))}}


def tuned(config: ConfigT, hyperparameters: Mapping[str, Any] | None) -> ConfigT:
    """A configuration with what a Tuner found best.

    Args:
        config: With the parts `network` and `training`.
        hyperparameters: A `keras_tuner.HyperParameters` as its `get_config()` writes it; None changes nothing.
    """
    return with_values(config, hyperparameters["values"]) if hyperparameters else config
