"""The settings that a model was trained with: the configuration's, unless a search (the Tuner) found others."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.file_systems import read_text, write_text
from components.training.options import NetworkOptions, TrainingOptions

SETTINGS_FILE = "settings.json"

_PARTS = ("network", "training")


@dataclass(frozen=True)
class ReplacedSetting:
    """A key that a search gave another value.

    Attributes:
        key: Dotted, as in a configuration: `training.learning_rate`.
        configured: What the configuration says; None where it says nothing.
        trained: What was trained with.
    """

    key: str
    configured: Any
    trained: Any


def write_settings(network: NetworkOptions, training: TrainingOptions, folder: str) -> None:
    """Writes `settings.json` into a folder: the keys `network` and `training`, as in a configuration, all said."""
    settings = {"network": network.model_dump(mode="json"), "training": training.model_dump(mode="json")}
    write_text(f"{folder}/{SETTINGS_FILE}", json.dumps(settings, indent=1))


def read_settings(folder: str) -> dict[str, Any] | None:
    """What `write_settings` wrote; None where there is no file, as of a model trained before there was one."""
    text = read_text(f"{folder}/{SETTINGS_FILE}")
    settings: dict[str, Any] | None = json.loads(text) if text else None
    return settings


def replaced_settings(configured: Mapping[str, Any], trained: Mapping[str, Any]) -> list[ReplacedSetting]:
    """The keys in which the settings of a training are not those of the configuration.

    Args:
        configured: A configuration with all defaults, as JSON has it.
        trained: As `read_settings` gives.
    """
    said = {key: value for part in _PARTS for key, value in _leaves(part, configured.get(part))}
    used = {key: value for part in _PARTS for key, value in _leaves(part, trained.get(part))}
    return [ReplacedSetting(key, said.get(key), value) for key, value in used.items() if said.get(key) != value]


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from _leaves(f"{key}.{name}", entry)
    else:
        yield key, value
