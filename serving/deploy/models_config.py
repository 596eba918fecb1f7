"""TensorFlow Serving's `models.config` (`--model_config_file`), there and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from pydantic import ValidationError
from tensorflow_serving.config import model_server_config_pb2

from components.errors import ConfigError
from serving.config_text import parse_message, read_config_text
from serving.served_model import ServedModel, VersionPolicy

_PLATFORM = "tensorflow"
_EXAMPLE = 'model_config_list { config { name: "eoseg" base_path: "/models/eoseg" } }'


def render_models_config(models: Sequence[ServedModel]) -> str:
    """The text of a `--model_config_file`; `parse_models_config` is its inverse.

    Raises:
        ConfigError: If two models share a name.
    """
    _check_names([model.name for model in models])
    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        entry = config.model_config_list.config.add(
            name=model.name, base_path=model.base_path, model_platform=_PLATFORM
        )
        policy = entry.model_version_policy
        if model.policy.kind == "latest":
            policy.latest.num_versions = model.policy.num_versions
        elif model.policy.kind == "all":
            policy.all.SetInParent()
        else:
            policy.specific.versions.extend(model.policy.versions)
        entry.version_labels.update(model.labels)
    text: str = text_format.MessageToString(config)
    return text


def parse_models_config(text: str, source: str = "the models config") -> tuple[ServedModel, ...]:
    """The models of a text-format `ModelServerConfig`.

    Args:
        text: The file's text.
        source: What to call it in an error message, usually its path.

    Raises:
        ConfigError: If it is no such message, or lists models that cannot be served.
    """
    config = parse_message(text, model_server_config_pb2.ModelServerConfig(), source, _EXAMPLE)
    try:
        return models_of(config)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.problem}", error.expected, error.remedy) from error


def read_models_config(path: str | Path) -> tuple[ServedModel, ...]:
    """The models of a `--model_config_file`.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: As `parse_models_config`.
    """
    return parse_models_config(read_config_text(path, "a models config file"), str(path))


def models_of(config: Any) -> tuple[ServedModel, ...]:
    """The models of a `ModelServerConfig` message.

    Raises:
        ConfigError: As `parse_models_config`.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise ConfigError("Invalid ServerModelConfig", "a model_config_list", "list the models in a model_config_list")
    entries = config.model_config_list.config
    _check_names([entry.name for entry in entries])
    return tuple(_model(entry) for entry in entries)


def _model(entry: Any) -> ServedModel:
    platform = entry.model_platform or _PLATFORM  # the deprecated model_type can mean nothing else here
    if platform != _PLATFORM:
        raise ConfigError(
            f"No config found for platform {platform} of model {entry.name}", _PLATFORM, "take the platform away"
        )
    chosen = entry.model_version_policy
    kind = chosen.WhichOneof("policy_choice")
    try:
        if kind == "all":
            policy = VersionPolicy(kind="all")
        elif kind == "specific":
            policy = VersionPolicy(kind="specific", versions=tuple(chosen.specific.versions))
        else:
            policy = VersionPolicy(num_versions=max(1, chosen.latest.num_versions))
        return ServedModel(name=entry.name, base_path=entry.base_path, policy=policy, labels=dict(entry.version_labels))
    except ValidationError as error:
        reasons = "; ".join(str(detail["msg"]).removeprefix("Value error, ") for detail in error.errors())
        raise ConfigError(reasons, "models that can be served", "correct the entry") from error


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"Illegal to list model {name} multiple times in config list",
                "a name of its own for each model",
                "rename one of them",
            )
