"""Reads a configuration file, lays `--set` overrides over it, and turns every mistake into one clear message."""

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.config import Config


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
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {error}", "a YAML mapping", "correct the file") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{file} holds {type(document).__name__}", "a YAML mapping of keys", "correct the file")
    for override in overrides:
        _lay_over(document, override)
    if workdir is not None:
        document["workdir"] = workdir
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(
            "\n".join([f"{file} cannot be used:", *(_explain(item) for item in error.errors())]),
            remedy="correct these keys in the file, or with --set KEY=VALUE",
        ) from error


def _lay_over(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}", "--set KEY.KEY=VALUE", "for example --set training.epochs=3")
    try:
        value = yaml.safe_load(text)
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


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        known = _keys_at(item["loc"][:-1])
        close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"  {key}: unknown key; {hint}known here: {', '.join(known)}"
    if item["type"] == "missing":
        return f"  {key}: missing"
    shown = "" if isinstance(item["input"], dict | BaseModel) else f" (received {item['input']!r})"
    return f"  {key}: {message}{shown}"


def _keys_at(location: Sequence[int | str]) -> list[str]:
    """The keys that the options object at `location` has; empty where there is no such object."""
    model: Any = Config
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if _is_options(model) else None
        model = _options_in(field.annotation) if field else None
    return list(model.model_fields) if _is_options(model) else []


def _options_in(annotation: Any) -> Any:
    if _is_options(annotation):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _options_in(part)
        if found is not None:
            return found
    return None


def _is_options(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)
