"""Reads a configuration file, lays `--set` overrides over it, and turns every mistake into one clear message."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.config import Config
from tfx_pipeline.config_mistakes import explained


class _EachKeyOnce(yaml.SafeLoader):
    """YAML itself takes the last of two equal keys, and what the first one says is lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As its base, but two equal keys are an error."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {twice} stands twice in one mapping", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def shipped_configs() -> dict[str, Path]:
    """The configurations that come with EOSeg, by file name."""
    folder = Path(str(resources.files("tfx_pipeline") / "configs"))
    return {path.name: path for path in sorted(folder.glob("*.yaml"))}


def load_config(path: str, overrides: Sequence[str] = (), workdir: str | None = None) -> Config:
    """The validated configuration.

    Args:
        path: A YAML file; the bare name of a shipped one (`demo.yaml`) works from anywhere.
        overrides: `key.key=value`, the value in YAML's own words.
        workdir: Overrides the key `workdir`.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: If it cannot be used; the message names the key, the value and what was expected.
    """
    file = Path(path)
    if not file.exists() and path in shipped_configs():
        file = shipped_configs()[path]
    if not file.is_file():
        raise MissingFileError(
            f"there is no configuration file {path}",
            f"a YAML file, or one that is shipped: {', '.join(shipped_configs())}",
            "correct the path",
        )
    document = read_yaml(file)
    for override in overrides:
        _lay_over(document, override)
    if workdir is not None:
        document["workdir"] = workdir
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            "\n".join([f"{file} cannot be used:", *explained(error.errors(), document)]),
            remedy="correct these keys in the file, or with --set KEY=VALUE",
        ) from error


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a file holds.

    Raises:
        ConfigError: If it is no YAML, no mapping, or has a key twice.
    """
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _EachKeyOnce)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {error}", "a YAML mapping", "correct the file") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file} holds {type(document).__name__}", "a YAML mapping of keys", "correct the file")
    return document


def _lay_over(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}", "--set KEY.KEY=VALUE", "for example --set training.epochs=3")
    try:
        value = yaml.load(text, _EachKeyOnce)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}", "a YAML value", "quote it") from error
    place = document
    *parents, last = key.split(".")
    for parent in parents:
        below = place.setdefault(parent, {})
        if not isinstance(below, dict):
            raise ConfigError(
                f"--set {override}: {parent} is {below!r}, not a mapping", "a key inside a mapping", "correct the key"
            )
        place = below
    place[last] = value
