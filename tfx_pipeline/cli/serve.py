"""`eoseg serve`: a model server for what `eoseg run` has published."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli import serve_tune
from tfx_pipeline.cli.serve_model import add_model_arguments, model_of

if TYPE_CHECKING:
    from serving.deploy.deployment import Deployment

_REST_PORT = 8501
"""The one of the stock image."""


class _ServeParser(argparse.ArgumentParser):
    """The parser of `serve`; `serve tune ...` goes to a parser of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.tune = argparse.ArgumentParser(prog=f"{self.prog} tune", description=serve_tune.DESCRIPTION)
        serve_tune.add_arguments(self.tune)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's: the one hook that sees a verb's words."""
        words = list(args or ())
        if words[:1] == ["tune"]:
            return self.tune.parse_known_args(words[1:], namespace)
        return super().parse_known_args(words, namespace)


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    description = (
        "Starts TensorFlow Serving's tensorflow_model_server where it is on the PATH, else the embedded server with "
        "the same flags and services. `eoseg serve tune MODEL` finds the best batching for this machine."
    )
    help_parser = subparsers.add_parser("serve", help="serve the published versions; `serve tune`: find the best way")
    parser = _ServeParser(prog=help_parser.prog, description=description)
    subparsers.choices["serve"] = parser
    add_model_arguments(parser, needed=False)
    parser.add_argument("--model-base", metavar="DIR", help="the folder that holds NAME/VERSION")
    parser.add_argument(
        "--version",
        type=int,
        action="append",
        default=[],
        dest="versions",
        help="serve this version (repeatable; default: the newest, and each newer one as it comes)",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VERSION",
        dest="labels",
        help="a name by which clients ask for a version, for instance stable=3 (repeatable; serve it with --version)",
    )
    parser.add_argument("--port", type=int, default=8500, help="gRPC port (default: %(default)s)")
    parser.add_argument("--rest-port", type=int, help="also serve the REST API there")
    parser.add_argument("--bind", metavar="ADDRESS", help="embedded server: listen there instead of on 127.0.0.1 only")
    parser.add_argument(
        "--batching-file",
        metavar="FILE",
        help="batching.yaml of `serve tune`, or a batching_parameters_file of TensorFlow Serving",
    )
    parser.add_argument("--no-batching", action="store_true", help="answer every request by itself")
    parser.add_argument("--tls-cert", metavar="FILE", help="encrypt gRPC: the server's certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key (PEM, not encrypted)")
    parser.add_argument("--client-ca", metavar="FILE", help="mutual TLS: the authority of clients' certificates (PEM)")
    parser.add_argument(
        "--monitoring",
        action="store_true",
        help=f"show Prometheus metrics on the REST port (default for it: {_REST_PORT})",
    )
    parser.add_argument(
        "--server", choices=("auto", "stock", "embedded"), default="auto", help="which server (default: %(default)s)"
    )
    parser.add_argument(
        "--flag", action="append", default=[], metavar="NAME=VALUE", dest="flags", help="a flag of the server's own"
    )
    parser.add_argument(
        "--write-config",
        metavar="DIR",
        help="start nothing: write the config files for the stock container there, and print the command",
    )
    parser.add_argument("--overwrite", action="store_true", help="with --write-config: replace files that differ")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the config files, or becomes the server: it takes this process's place, so signals and the exit code are
    its own.
    """
    deployment = deployment_of(arguments)
    flags = [f"--{flag.lstrip('-')}" for flag in arguments.flags]
    if deployment.tls is not None and deployment.rest_port is not None:
        print(f"eoseg: TLS is for gRPC; port {deployment.rest_port} (REST) is not encrypted", file=sys.stderr)
    if arguments.write_config:
        return _write(deployment, Path(arguments.write_config), flags, arguments.overwrite)
    return _become_server(deployment, arguments, flags)


def deployment_of(arguments: argparse.Namespace) -> "Deployment":
    """What the arguments ask for.

    Raises:
        ConfigError: If they contradict each other.
        MissingFileError: If the model or a file is missing.
    """
    from components.errors import ConfigError
    from serving.batching import BatchingOptions, read_batching_options
    from serving.config_text import validated
    from serving.deploy.deployment import Deployment
    from serving.deploy.server_configs import MonitoringOptions, tls_from_files
    from serving.versions.registered import as_registered

    found = model_of(arguments, arguments.model_base, tuple(arguments.versions), tuple(arguments.labels))
    model = found.model if arguments.versions or arguments.labels else as_registered(found.model)
    batching = found.batching or BatchingOptions()
    if arguments.no_batching:
        batching = BatchingOptions(enabled=False)
    elif arguments.batching_file:
        batching = read_batching_options(arguments.batching_file)
    if bool(arguments.tls_cert) != bool(arguments.tls_key) or (arguments.client_ca and not arguments.tls_cert):
        raise ConfigError(
            f"--tls-cert {arguments.tls_cert}, --tls-key {arguments.tls_key}, --client-ca {arguments.client_ca}",
            "a certificate together with its key; --client-ca only beside them",
            "give both --tls-cert and --tls-key",
        )
    tls = tls_from_files(arguments.tls_cert, arguments.tls_key, arguments.client_ca) if arguments.tls_cert else None
    rest_port = arguments.rest_port or (_REST_PORT if arguments.monitoring else None)
    return validated(
        Deployment,
        "eoseg serve",
        models=(model,),
        batching=batching,
        monitoring=MonitoringOptions(enable=arguments.monitoring),
        tls=tls,
        port=arguments.port,
        rest_port=rest_port,
    )


def _write(deployment: "Deployment", folder: Path, flags: list[str], overwrite: bool) -> int:
    from serving.deploy.container import docker_command, for_container
    from serving.deploy.deployment import write_config_files

    for path in write_config_files(for_container(deployment), folder, overwrite=overwrite):
        print(f"eoseg: wrote {path}", file=sys.stderr)
    print(docker_command(deployment, folder, flags))
    return 0


def _refuse_missing_versions(deployment: "Deployment") -> None:
    """A server waits for such versions without a word, its port closed. In config files they may be yet to come."""
    from components.errors import MissingFileError

    for model in deployment.models:
        there = {int(child.name) for child in Path(model.base_path).iterdir() if child.name.isdigit()}
        asked = {f"--version {version}": version for version in model.policy.versions}
        asked |= {f"--label {label}={version}": version for label, version in model.labels.items()}
        missing = [argument for argument, version in asked.items() if version not in there]
        if missing:
            raise MissingFileError(
                f"{', '.join(missing)}: {model.base_path} has no such version",
                f"one of the versions that are there: {', '.join(map(str, sorted(there)))}",
                "name one of these, or publish the missing one first",
            )


def _become_server(deployment: "Deployment", arguments: argparse.Namespace, flags: list[str]) -> int:
    import tempfile

    from components.errors import ConfigError
    from serving.deploy.start_server import deployment_command, server_program

    _refuse_missing_versions(deployment)
    is_embedded = len(server_program(arguments.server)) > 1
    if arguments.bind and not is_embedded:
        raise ConfigError(
            f"--bind {arguments.bind} with tensorflow_model_server",
            "the embedded server: the stock one always listens on all interfaces",
            "add --server embedded, or take --bind away",
        )
    # The server takes this process over, so nobody is left to remove this folder of a few small files.
    folder = Path(tempfile.mkdtemp(prefix="eoseg-server-"))
    command = deployment_command(deployment, folder, arguments.server)
    command += [f"--bind_address={arguments.bind}"] * bool(arguments.bind) + flags
    model = deployment.models[0]
    shown = arguments.bind or ("127.0.0.1" if is_embedded else "0.0.0.0")
    server = "embedded server" if is_embedded else "tensorflow_model_server"
    largest = deployment.batching.max_batch_size
    batching = f"batches of up to {largest}" if deployment.batching.enabled else "no batching"
    print(
        f"eoseg: serving {model.base_path} as '{model.name}' on {shown}:{deployment.port} ({server}, {batching}); "
        "Ctrl-C stops",
        flush=True,
    )
    os.execv(command[0], command)
