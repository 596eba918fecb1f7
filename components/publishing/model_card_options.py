"""What only people can say of a model, and what the pipeline knows before it runs: the input of a model card."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import Field, field_validator

from components.options import Options

NOT_STATED = "not stated"

OF_THE_MODEL: dict[str, tuple[str, ...] | None] = {
    "name": None,
    "sample_scenes": None,
    "data": ("bands", "blocks", "exclude", "splits", "tile_id"),
    "classes": None,
    "void": None,
    "labels": None,
    "validation": None,
    "statistics": None,
    "patches": None,
    "network": None,
    "training": None,
    "tuning": None,
    "evaluation": None,
    "maps": ("overlap", "blend", "augment"),
}
"""The keys of a configuration that say what a model is made of; None takes all of a key. Whatever says where things
lie, who may write there and how fast it goes is left out: a card is published with its model."""

_PATHS = (("labels", "grid_sizes"), ("statistics", "schema_file"))


def without_folder(network: Mapping[str, Any]) -> dict[str, Any]:
    """The key `network` with the name alone of a file that it starts from."""
    pretrained = network.get("pretrained")
    return {**network, **({"pretrained": PurePath(pretrained).name} if isinstance(pretrained, str) else {})}


class ModelCardOptions(Options):
    """The parts of a model card that no program can know; what is left out is shown as not stated, never made up.

    Every text is plain text: Markdown in it is shown, not interpreted.
    """

    intended_use: str = Field(default=NOT_STATED, min_length=1)
    """What the model is for, by whom, on which imagery and where."""
    out_of_scope: str = Field(default=NOT_STATED, min_length=1)
    """What it must not be used for."""
    license: str = Field(default=NOT_STATED, min_length=1)
    """Of the model: an SPDX identifier (`CC-BY-4.0`) or a name. The licence of the imagery may bind it."""
    contact: str = Field(default=NOT_STATED, min_length=1)
    """Where questions and complaints go."""
    authors: tuple[str, ...] = ()
    """Who made it."""
    limits: tuple[str, ...] = ()
    """Limits that the figures do not show: seasons, sensors, regions that were never seen."""
    ethical_considerations: str = Field(default=NOT_STATED, min_length=1)
    """Whom a wrong map could harm, and what was done about it."""

    @field_validator("intended_use", "out_of_scope", "license", "contact", "ethical_considerations", mode="before")
    @classmethod
    def _stripped(cls, text: Any) -> Any:
        return text.strip() if isinstance(text, str) else text


class CardRequest(Options):
    """What the pipeline tells the step that pushes a version, for its model card."""

    stated: ModelCardOptions = ModelCardOptions()
    split: str
    """The evaluated split."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The configuration, defaults included, as far as it is `OF_THE_MODEL`."""

    @classmethod
    def of(cls, stated: ModelCardOptions, split: str, config: Mapping[str, Any]) -> "CardRequest":
        """The request of a run.

        Args:
            stated: What people said.
            split: The evaluated one.
            config: The whole configuration, as JSON has it.
        """
        kept: dict[str, Any] = {}
        for key, names in OF_THE_MODEL.items():
            if config.get(key) is not None:
                value = config[key]
                kept[key] = value if names is None else {name: value[name] for name in names if name in value}
        for key, name in _PATHS:
            if isinstance(kept.get(key), Mapping):
                kept[key] = {entry: value for entry, value in kept[key].items() if entry != name}
        if isinstance(kept.get("network"), Mapping):
            kept["network"] = without_folder(kept["network"])
        return cls(stated=stated, split=split, config=kept)
