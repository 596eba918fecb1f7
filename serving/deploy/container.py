"""The command that serves a deployment in the stock image, `tensorflow/serving`."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from serving.deploy.deployment import Deployment, file_flags, models_file_flags
from serving.served_model import ServedModel

IMAGE = "tensorflow/serving:2.16.1"
"""The version whose contract the embedded server follows."""
CONFIG_FOLDER = "/config"
MODELS_FOLDER = "/models"
_GRPC_PORT, _REST_PORT = 8500, 8501
"""Where the image's entry point always listens."""
_POLL_SECONDS = 30


def for_container(deployment: Deployment) -> Deployment:
    """The deployment as the container sees it: models below `/models`, its own ports, `models.config` read again
    every 30 s, so that labels can be moved by editing the file. Object stores keep their addresses.
    """
    models = tuple(
        model if "://" in model.base_path else model.model_copy(update={"base_path": _inside(model)})
        for model in deployment.models
    )
    return deployment.model_copy(
        update={
            "models": models,
            "port": _GRPC_PORT,
            "rest_port": None if deployment.rest_port is None else _REST_PORT,
            "models_poll_seconds": deployment.models_poll_seconds or _POLL_SECONDS,
        }
    )


def docker_command(deployment: Deployment, config_folder: Path, flags: Sequence[str] = (), image: str = IMAGE) -> str:
    """A shell command over several lines.

    Args:
        deployment: As on this machine: folders and ports are the host's.
        config_folder: Where `write_config_files(for_container(deployment), ...)` has written.
        flags: Further flags of the server.
        image: The image to run.
    """
    inside = for_container(deployment)
    parts = ["docker run --rm", f"-p {deployment.port}:{_GRPC_PORT}"]
    if deployment.rest_port is not None:
        parts.append(f"-p {deployment.rest_port}:{_REST_PORT}")
    mounts = [(model.base_path, _inside(model)) for model in deployment.models if "://" not in model.base_path]
    mounts.append((str(config_folder.absolute()), CONFIG_FOLDER))
    parts += [f"--mount {shlex.quote(_mount(source, target))}" for source, target in mounts]
    parts.append(image)
    inner = [*models_file_flags(inside, CONFIG_FOLDER), *file_flags(inside, CONFIG_FOLDER), *flags]
    return " \\\n  ".join(parts + [shlex.quote(flag) for flag in inner])


def _inside(model: ServedModel) -> str:
    return f"{MODELS_FOLDER}/{model.name}"


def _mount(source: str, target: str) -> str:
    # Docker reads the value as one line of CSV.
    fields = ["type=bind", f"source={source}", f"target={target}", "readonly"]
    return ",".join(f'"{field}"' if "," in field or '"' in field else field for field in fields)
