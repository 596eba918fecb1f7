"""The arguments that the verbs of `eoseg versions` share, and what they mean."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.versions.change import ServerOptions
    from serving.versions.lineage import Lineage
    from serving.versions.registry import Registry
    from tfx_pipeline.metadata_place import MetadataPlace


@dataclass(frozen=True)
class Asked:
    """The model that the arguments name.

    Attributes:
        registry: Its versions.
        metadata: ML Metadata: the SQLite file, or a team's database; None where there is none to ask.
    """

    registry: "Registry"
    metadata: "MetadataPlace | Path | None"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds MODEL and what says where its things lie."""
    parser.add_argument("model", metavar="MODEL", help="the CONFIG that it was published with, or MODEL_BASE/NAME")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a key of CONFIG"
    )
    parser.add_argument("--workdir", metavar="DIR", help="the workdir of CONFIG")
    parser.add_argument("--model-name", metavar="NAME", help="what requests call it (default: as it was published)")
    parser.add_argument("--config-file", metavar="FILE", help="its servers' models.config (default: in MODEL_BASE)")
    parser.add_argument(
        "--metadata", metavar="FILE", help="ML Metadata (default: metadata.sqlite of the workdir, or beside MODEL_BASE)"
    )


def add_servers(parser: argparse.ArgumentParser) -> None:
    """Adds --server and how to reach it."""
    group = parser.add_argument_group("model servers")
    group.add_argument(
        "--server", metavar="HOST:PORT", action="append", default=[], dest="servers", help="gRPC port (repeatable)"
    )
    group.add_argument("--ca-file", metavar="PEM", help="encrypt, and trust servers that these authorities signed")
    group.add_argument("--client-cert-file", metavar="PEM", help="for a server that verifies its clients")
    group.add_argument("--client-key-file", metavar="PEM", help="of that certificate")
    group.add_argument("--token-file", metavar="FILE", help="send this token with every call; needs encryption")


def add_change(parser: argparse.ArgumentParser, *, loads: bool = True) -> None:
    """Adds --reason, --wait and, for changes that load versions, --timeout and --base-path."""
    parser.add_argument("--reason", metavar="TEXT", default="", help="for the audit log")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="for another change that is at work (default: 0)"
    )
    if loads:
        parser.add_argument(
            "--timeout",
            type=float,
            default=300.0,
            metavar="SECONDS",
            help="that a server may take to load a version (default: %(default)g)",
        )
        parser.add_argument(
            "--base-path", metavar="DIR", default="", help="the model's folder as the servers see it, where it differs"
        )


def asked(arguments: argparse.Namespace, *, may_be_new: bool = False) -> Asked:
    """The model that the arguments name.

    Args:
        arguments: As parsed.
        may_be_new: Its folder is made where it is not there, as for a first import.

    Raises:
        RegistryError, ConfigError, MissingFileError: If there is no such model.
    """
    from serving.versions.registry import registry_of

    name, text = arguments.model_name, arguments.model
    config_file = Path(arguments.config_file) if arguments.config_file else None
    metadata: MetadataPlace | Path | None = Path(arguments.metadata) if arguments.metadata else None
    if Path(text).is_dir():
        folder = Path(text).absolute()
        beside = folder.parent.parent / "metadata.sqlite"
        metadata = metadata or (beside if beside.is_file() else None)
    elif "/" in text and Path(text).suffix not in (".yaml", ".yml"):
        folder = Path(text)  # there is none, which registry_of says
    else:
        from tfx_pipeline.data_set import places_of
        from tfx_pipeline.load_config import load_config
        from tfx_pipeline.metadata_place import metadata_of

        config = load_config(text, arguments.overrides, arguments.workdir)
        places = places_of(config)
        folder = places.model_base / (name or config.publish.model_name)
        recorded = metadata_of(config, places)
        if metadata is None and recorded.is_there:
            metadata = recorded.sqlite if recorded.options.kind == "sqlite" else recorded
    if may_be_new:
        _make(folder)
    return Asked(registry_of(folder, name, config_file, getattr(arguments, "base_path", "")), metadata)


def _make(folder: Path) -> None:
    from serving.versions.registry_error import RegistryError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(
            f"{folder} cannot be made: {error.strerror or error}", "a folder for the model", "correct the path"
        ) from error


def server_options(arguments: argparse.Namespace) -> "ServerOptions":
    """The servers that the arguments name.

    Raises:
        ConfigError: On values out of range.
    """
    from pydantic import ValidationError

    from components.errors import ConfigError
    from serving.versions.change import ServerOptions

    tls = {name: getattr(arguments, name) for name in ("ca_file", "client_cert_file", "client_key_file")}
    channel: dict[str, Any] = {"tls": tls} if any(tls.values()) else {}
    if arguments.token_file:
        channel["token_file"] = arguments.token_file
    try:
        return ServerOptions.model_validate(
            {
                "addresses": arguments.servers,
                "channel": channel,
                "load_seconds": getattr(arguments, "timeout", 300.0),
            }
        )
    except ValidationError as error:
        reasons = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
        raise ConfigError(reasons, "servers that can be reached", "see eoseg versions VERB --help") from error


def version_of(registry: "Registry", text: str) -> int:
    """The version that a number, a label or `newest` names.

    Raises:
        RegistryError: If it names none.
    """
    from serving.versions.operations import config_before

    # A number needs no file: it must be found even where models.config cannot be read.
    return int(text) if text.isdecimal() else registry.named(text, config_before(registry)[1])


def lineages_of(model: Asked, versions: "list[int] | None" = None) -> "tuple[dict[int, Lineage], list[int] | None]":
    """Where versions come from; what is read from ML Metadata is kept beside the versions.

    Args:
        model: Its registry and metadata.
        versions: Which; all that are known where None.

    Returns:
        By version, and the versions that ML Metadata has (None where there are none to ask).
    """
    from serving.versions.lineage import keep_lineage, read_lineage
    from serving.versions.recorded import own_records

    registry = model.registry
    records = None
    if model.metadata is not None:
        from tfx_pipeline.version_lineage import open_records

        records = open_records(model.metadata)
    pushed = None if records is None else sorted(records.pushed(registry.name))
    found = {}
    told = False
    for version in versions if versions is not None else sorted({*registry.versions, *(pushed or [])}):
        lineage = read_lineage(registry, version)
        if lineage is None and records is not None and version in (pushed or []):
            if not told:
                say("reading what ML Metadata knows (once: it is kept beside the versions)")
                told = True
            own = own_records(registry.version_folder(version))
            lineage = records.lineage(registry.name, version, own)
            if lineage is not None:
                keep_lineage(registry, lineage)
        if lineage is not None:
            found[version] = lineage
    return found, pushed


def say(text: str) -> None:
    """What is being done, for the person who waits; the results alone go to standard output."""
    print(f"eoseg: {text}", file=sys.stderr, flush=True)
