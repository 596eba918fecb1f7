"""What is compared: a configuration, what all trainings change of it, what each one changes, and the seeds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, ValidationError

from components.errors import ConfigError, MissingFileError
from components.options import Options
from components.tile_source import Split
from tfx_pipeline.config import Config
from tfx_pipeline.load_config import load_config, read_yaml


class Variant(Options):
    """One row of the table."""

    name: str
    set: Mapping[str, Any] = Field(default_factory=dict)
    """Keys of the configuration, with dots, and their values."""


class Plan(Options):
    """Variants of one configuration."""

    config: str
    scored: Split
    """The split that is predicted as whole tiles and scored, once, after each training."""
    set: Mapping[str, Any] = Field(default_factory=dict)
    """As in a variant, of all of them."""
    seeds: tuple[NonNegativeInt, ...] = (0,)
    variants: tuple[Variant, ...] = Field(min_length=1)

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises:
            ConfigError: If there is none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        names = ", ".join(variant.name for variant in self.variants)
        raise ConfigError(f"the plan has no variant '{name}'", f"one of: {names}", "correct --variants")

    def config_of(self, variant: Variant, seed: int, workdir: str) -> Config:
        """The configuration of one training.

        Raises:
            ConfigError: If the changes do not fit the configuration.
        """
        changes = {**self.set, **variant.set, "training.seed": seed}
        overrides = [f"{key}={json.dumps(value)}" for key, value in changes.items()]  # JSON is YAML
        return load_config(self.config, overrides, workdir)


def read_plan(path: Path) -> Plan:
    """The plan in a YAML file.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it is none, or two variants have one name.
    """
    if not path.is_file():
        raise MissingFileError(f"there is no plan {path}", "a YAML file, or the name of a shipped plan", "correct it")
    try:
        plan = Plan.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(f"{path} is no plan: {error}", "the keys of benchmarks.quality.plan.Plan") from error
    names = [variant.name for variant in plan.variants]
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}: two variants have one name among {names}", "each name once", "rename one")
    return plan
