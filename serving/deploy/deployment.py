"""All that a model server is told, as one typed object; its config files there and back, and its flags."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import Field, NonNegativeInt, model_validator

from components.errors import ConfigError
from components.options import Options
from serving.batching import BatchingOptions, parse_batching, render_batching
from serving.config_text import read_config_text, validated
from serving.deploy.models_config import read_models_config, render_models_config
from serving.deploy.server_configs import (
    MonitoringOptions,
    TlsOptions,
    parse_monitoring,
    parse_tls,
    render_monitoring,
    render_tls,
)
from serving.served_model import ServedModel, VersionPolicy

Part = TypeVar("Part")

MODELS_FILE = "models.config"
BATCHING_FILE = "batching_parameters.txt"
MONITORING_FILE = "monitoring.config"
TLS_FILE = "ssl.config"
_FLAGS = {
    BATCHING_FILE: "batching_parameters_file",
    MONITORING_FILE: "monitoring_config_file",
    TLS_FILE: "ssl_config_file",
}


class Deployment(Options):
    """A model server, stock or embedded: which models, on which ports, batched and encrypted how.

    Raises:
        pydantic.ValidationError: If models share a name, a label names a version that is not served, both services
            want one port, or Prometheus is to read where there is no REST port.
    """

    models: tuple[ServedModel, ...] = Field(min_length=1)
    batching: BatchingOptions = BatchingOptions()
    monitoring: MonitoringOptions = MonitoringOptions()
    tls: TlsOptions | None = None
    """Of the gRPC port; the stock server's REST port is never encrypted."""
    port: int = Field(default=8500, ge=1, le=65535)
    rest_port: int | None = Field(default=None, ge=1, le=65535)
    models_poll_seconds: NonNegativeInt = 0
    """Seconds between two readings of `models.config`; 0 reads it once."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Deployment":
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"models {names} must have a name of their own each")
        for model in self.models:
            for label, version in model.labels.items():
                if model.policy.kind == "specific" and version not in model.policy.versions:
                    raise ValueError(
                        f"label '{label}' of model {model.name} names version {version}, which is not among the "
                        f"versions {list(model.policy.versions)} to serve"
                    )
        if self.port == self.rest_port:
            raise ValueError(f"gRPC and REST cannot both listen on port {self.port}")
        if self.monitoring.enable and self.rest_port is None:
            raise ValueError("monitoring needs a REST port: the server shows its metrics there")
        return self

    @property
    def is_one_plain_model(self) -> bool:
        """Whether two flags can say what `models.config` would."""
        model = self.models[0]
        return len(self.models) == 1 and model.policy == VersionPolicy() and not model.labels


def config_texts(deployment: Deployment) -> dict[str, str]:
    """The server's config files: name -> text. What is switched off has no file."""
    texts = {MODELS_FILE: render_models_config(deployment.models)}
    if deployment.batching.enabled:
        texts[BATCHING_FILE] = render_batching(deployment.batching)
    if deployment.monitoring.enable:
        texts[MONITORING_FILE] = render_monitoring(deployment.monitoring)
    if deployment.tls is not None:
        texts[TLS_FILE] = render_tls(deployment.tls)
    return texts


def write_config_files(deployment: Deployment, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Writes `config_texts` into a folder, which is made; `read_config_files` is the inverse.

    Each file appears whole. `ssl.config`, which holds the private key, is readable by its owner alone.

    Args:
        deployment: What to write.
        folder: Where.
        overwrite: Take the place of files that say something else (and remove those that are no longer wanted).

    Raises:
        ConfigError: If a file that is there says something else, perhaps edited by hand, and `overwrite` is off; or if
            the folder cannot be written to.
    """
    texts = config_texts(deployment)
    try:
        _write_texts(texts, folder, overwrite=overwrite)
    except OSError as error:
        raise ConfigError(
            f"the config files cannot be written into {folder}: {error}",
            "a folder that can be written to, or made",
            "choose another folder, or correct its permissions",
        ) from error
    return [folder / name for name in texts]


def _write_texts(texts: Mapping[str, str], folder: Path, *, overwrite: bool) -> None:
    others = [
        path
        for path in (folder / name for name in (MODELS_FILE, *_FLAGS))
        if path.exists() and (path.name not in texts or path.read_bytes() != texts[path.name].encode())
    ]
    if others and not overwrite:
        raise ConfigError(
            f"{', '.join(map(str, others))} would be changed or removed",
            "an empty folder, or files that say the same",
            "name another folder, or add --overwrite",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        part = folder / f".{name}.part"
        part.unlink(missing_ok=True)
        mode = 0o600 if name == TLS_FILE else 0o644
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as target:
            target.write(text)
        part.replace(folder / name)
    for path in others:  # last: whoever reads the folder meanwhile finds every file
        if path.name not in texts:
            path.unlink()


def read_config_files(folder: Path, port: int = 8500, rest_port: int | None = None) -> Deployment:
    """The deployment that a folder's config files describe; ports are not in files.

    Raises:
        MissingFileError: If there is no `models.config`.
        ConfigError: If a file cannot be read, naming file and line, or they contradict each other.
    """

    def parsed(name: str, parse: Callable[[str, str], Part], absent: Part) -> Part:
        path = folder / name
        return parse(read_config_text(path), str(path)) if path.exists() else absent

    return validated(
        Deployment,
        str(folder),
        models=read_models_config(folder / MODELS_FILE),
        batching=parsed(BATCHING_FILE, parse_batching, BatchingOptions(enabled=False)),
        monitoring=parsed(MONITORING_FILE, parse_monitoring, MonitoringOptions()),
        tls=parsed(TLS_FILE, parse_tls, None),
        port=port,
        rest_port=rest_port,
    )


def server_flags(deployment: Deployment, folder: str | Path) -> list[str]:
    """The server's flags; `folder` is where it will see the config files, for instance inside a container."""
    flags = [f"--port={deployment.port}"]
    if deployment.is_one_plain_model:
        model = deployment.models[0]
        flags += [f"--model_name={model.name}", f"--model_base_path={model.base_path}"]
    else:
        flags += models_file_flags(deployment, folder)
    if deployment.rest_port is not None:
        flags.append(f"--rest_api_port={deployment.rest_port}")
    return [*flags, *file_flags(deployment, folder)]


def models_file_flags(deployment: Deployment, folder: str | Path) -> list[str]:
    """The flags that name `models.config`."""
    flags = [f"--model_config_file={folder}/{MODELS_FILE}"]
    if deployment.models_poll_seconds:
        flags.append(f"--model_config_file_poll_wait_seconds={deployment.models_poll_seconds}")
    if any(model.labels for model in deployment.models):
        # At the start no version is available yet, and the server would refuse every label.
        flags.append("--allow_version_labels_for_unavailable_models=true")
    return flags


def file_flags(deployment: Deployment, folder: str | Path) -> list[str]:
    """The flags that name the other config files."""
    wanted = config_texts(deployment)
    flags = ["--enable_batching=true"] if BATCHING_FILE in wanted else []
    return flags + [f"--{flag}={folder}/{name}" for name, flag in _FLAGS.items() if name in wanted]
