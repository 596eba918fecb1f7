"""One model's entry in `models.config`, read and replaced; whatever else the file says stays as it is."""

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from pydantic import Field
from tensorflow_serving.config import model_server_config_pb2

from components.errors import ConfigError
from components.options import Options
from serving.config_text import parse_message, read_config_text
from serving.deploy.models_config import models_of
from serving.served_model import VersionPolicy
from serving.versions.registry import Registry

_EXAMPLE = 'model_config_list { config { name: "eoseg" base_path: "/models/eoseg" } }'


class ModelEntry(Options):
    """Which versions are served, and their labels."""

    policy: VersionPolicy = VersionPolicy()
    labels: dict[str, int] = Field(default_factory=dict)
    """Label -> version."""

    def served(self, found: list[int]) -> set[int]:
        """The versions that a server is told to serve, of those that are there."""
        return self.policy.aspired(found)

    def described(self) -> dict[str, Any]:
        """For the audit log."""
        policy: dict[str, Any] = {"kind": self.policy.kind}
        if self.policy.kind == "specific":
            policy["versions"] = list(self.policy.versions)
        elif self.policy.kind == "latest":
            policy["num_versions"] = self.policy.num_versions
        return {"policy": policy, "labels": dict(sorted(self.labels.items()))}


def specific(versions: set[int]) -> VersionPolicy:
    """Exactly these versions; the newest where there are none, as the server does without a policy."""
    if not versions:
        return VersionPolicy()
    return VersionPolicy(kind="specific", versions=tuple(sorted(versions)))


def read_config(registry: Registry) -> str | None:
    """The text of `models.config`; None where there is none.

    Raises:
        ConfigError: If it cannot be read.
    """
    return read_config_text(registry.config_file) if registry.config_file.exists() else None


def entry_of(registry: Registry, text: str | None) -> ModelEntry:
    """What a `models.config` says of the model; without it: the newest version, no labels.

    Raises:
        ConfigError: If it is no such file.
    """
    config = _parsed(registry, text)
    for model in models_of(config) if config.model_config_list.config else ():
        if model.name == registry.name:
            return ModelEntry(policy=model.policy, labels=dict(model.labels))
    return ModelEntry()


def config_with(registry: Registry, text: str | None, entry: ModelEntry) -> str:
    """The text of `models.config` with another entry for the model.

    Raises:
        ConfigError: If the text is no such file.
    """
    config = _parsed(registry, text)
    models = config.model_config_list.config
    own = next((model for model in models if model.name == registry.name), None)
    if own is None:
        own = models.add(name=registry.name, base_path=str(registry.folder), model_platform="tensorflow")
    if registry.served_path:
        own.base_path = registry.served_path
    own.ClearField("model_version_policy")
    own.ClearField("version_labels")
    chosen = own.model_version_policy
    if entry.policy.kind == "latest":
        chosen.latest.num_versions = entry.policy.num_versions
    elif entry.policy.kind == "all":
        chosen.all.SetInParent()
    else:
        chosen.specific.versions.extend(entry.policy.versions)
    own.version_labels.update(entry.labels)
    rendered: str = text_format.MessageToString(config)
    return rendered


def refuse_elsewhere(registry: Registry, text: str | None) -> None:
    """Refuses a `models.config` that has the model served from another folder of this machine: a copied or moved one.

    A path that is not there passes: it may be the folder as servers in containers see it.

    Raises:
        ConfigError: If it is so, or the text is no such file.
    """
    for model in _parsed(registry, text).model_config_list.config:
        place = Path(model.base_path)
        if model.name != registry.name or registry.served_path or not place.is_dir():
            continue
        if not registry.folder.is_dir() or not place.samefile(registry.folder):
            raise ConfigError(
                f"{registry.config_file} has '{model.name}' served from {place}, not from {registry.folder}",
                "the folder whose versions are changed",
                f"name {place}; or, if servers shall read this one from now on, add --base-path {registry.folder}",
            )


def config_as_before(registry: Registry, text: str | None, before: str | None) -> str | None:
    """`models.config` with the model's entry as it once was, and whatever else the file says now.

    Args:
        registry: Of the model.
        text: Of the file now; None where there is none.
        before: Of the file then; None where there was none.

    Returns:
        The very text of then where nothing else has changed since; None where there need be no file.

    Raises:
        ConfigError: If a text is no such file.
    """
    if text is None:
        return before
    now, then = _parsed(registry, text), _parsed(registry, before)
    own = [model for model in then.model_config_list.config if model.name == registry.name]
    for config in (now, then):
        others = [model for model in config.model_config_list.config if model.name != registry.name]
        del config.model_config_list.config[:]
        config.model_config_list.config.extend(others)
    if now == then or (before is None and not now.model_config_list.config):
        return before
    now.model_config_list.config.extend(own)
    rendered: str = text_format.MessageToString(now)
    return rendered


def config_message(text: str) -> bytes:
    """The `ModelServerConfig` of a text, as it travels."""
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    serialised: bytes = config.SerializeToString(deterministic=True)
    return serialised


def _parsed(registry: Registry, text: str | None) -> Any:
    empty = model_server_config_pb2.ModelServerConfig()
    return empty if text is None else parse_message(text, empty, str(registry.config_file), _EXAMPLE)
