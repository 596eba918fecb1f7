"""What `eoseg serve` and `eoseg serve tune` are pointed at: the folder of a model or a version, or a configuration."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.batching import BatchingOptions
    from serving.served_model import ServedModel

DEFAULT_NAME = "eoseg"


@dataclass(frozen=True)
class ModelToServe:
    """A model as the command line names it.

    Attributes:
        model: Name, folder, which versions, labels.
        batching: Of the configuration; None where there is none.
        workdir: Of the configuration; None where there is none.
    """

    model: "ServedModel"
    batching: "BatchingOptions | None" = None
    workdir: Path | None = None


def add_model_arguments(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    """Adds MODEL, --set, --workdir and --model-name."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs=None if needed else "?",
        help="the CONFIG that it was published with, the model's folder (with numbered versions), or a version's",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a key of CONFIG"
    )
    parser.add_argument("--workdir", metavar="DIR", help="the workdir of CONFIG")
    parser.add_argument("--model-name", metavar="NAME", help="what requests call it (default: as it was published)")


def model_of(
    arguments: argparse.Namespace, base: str | None = None, versions: tuple[int, ...] = (), labels: tuple[str, ...] = ()
) -> ModelToServe:
    """The model that the arguments name.

    Args:
        arguments: Those of `add_model_arguments`.
        base: The folder that holds NAME/VERSION, in place of the configuration's.
        versions: Serve exactly these; none serves the newest.
        labels: `NAME=VERSION` each.

    Raises:
        ConfigError: If nothing is named, or what is named is neither folder nor configuration.
        MissingFileError: If there is no version to serve.
    """
    from components.errors import ConfigError, MissingFileError
    from serving.config_text import validated
    from serving.deploy.start_server import checked_base_path
    from serving.served_model import ServedModel, VersionPolicy

    text: str | None = arguments.model
    name: str | None = arguments.model_name
    batching, workdir = None, None
    if base is not None and (text is None or not Path(text).is_dir()):
        path = Path(base) / (name or DEFAULT_NAME)
    elif text is None:
        raise ConfigError(
            "there is no model to serve",
            "the folder that its versions were published into, or the CONFIG that they were published with",
            "name one: eoseg serve MODEL",
        )
    elif Path(text).is_dir():
        path = Path(text).absolute()
        if path.name.isdigit() and any((path / marker).exists() for marker in ("saved_model.pb", "saved_model.pbtxt")):
            versions = versions or (int(path.name),)
            path = path.parent
        name = name or path.name
    if text is not None and not Path(text).is_dir():
        if "/" in text and not Path(text).exists() and Path(text).suffix not in (".yaml", ".yml"):
            raise MissingFileError(
                f"there is no folder {text}",
                "the folder of a model, of a version, or a configuration",
                "correct the path; `eoseg run` tells where it has published",
            )
        from tfx_pipeline.data_set import places_of
        from tfx_pipeline.load_config import load_config

        config = load_config(text, arguments.overrides, arguments.workdir)
        places = places_of(config)
        batching, workdir = config.batching, places.workdir
        name = name or config.publish.model_name
        path = (Path(base) if base is not None else places.model_base) / name
    model = validated(
        ServedModel,
        "the model to serve",
        name=name or DEFAULT_NAME,
        base_path=str(checked_base_path(path)),
        policy=VersionPolicy(kind="specific", versions=tuple(sorted(set(versions)))) if versions else VersionPolicy(),
        labels=dict(_label(label) for label in labels),
    )
    return ModelToServe(model, batching, workdir)


def _label(text: str) -> tuple[str, int]:
    from components.errors import ConfigError

    name, _, version = text.partition("=")
    if not name or not version.isdigit():
        raise ConfigError(f"--label {text}", "--label NAME=VERSION, for instance stable=3", "correct it")
    return name, int(version)
