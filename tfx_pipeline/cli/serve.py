"""`eoseg serve`: a model server for what `eoseg run` has published."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.batching import BatchingOptions


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the published versions over gRPC",
        description="Starts TensorFlow Serving's tensorflow_model_server where it is on the PATH, else the embedded "
        "server with the same flags and services.",
    )
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="takes model base, name and batching from here")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a key of CONFIG"
    )
    parser.add_argument("--workdir", metavar="DIR", help="the workdir of CONFIG")
    parser.add_argument("--model-base", metavar="DIR", help="the folder that holds NAME/VERSION")
    parser.add_argument("--model-name", metavar="NAME", help="the model to serve (default: eoseg)")
    parser.add_argument("--port", type=int, default=8500, help="gRPC port (default: %(default)s)")
    parser.add_argument("--rest-port", type=int, help="also serve the REST API there")
    parser.add_argument("--bind", metavar="ADDRESS", help="embedded server: listen there instead of on 127.0.0.1 only")
    parser.add_argument("--batching-file", metavar="FILE", help="a batching_parameters_file of TensorFlow Serving")
    parser.add_argument("--no-batching", action="store_true", help="answer every request by itself")
    parser.add_argument(
        "--server", choices=("auto", "stock", "embedded"), default="auto", help="which server (default: %(default)s)"
    )
    parser.add_argument(
        "--flag", action="append", default=[], metavar="NAME=VALUE", dest="flags", help="a flag of the server's own"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Becomes the server: it takes this process's place, so signals and the exit code are its own."""
    import tempfile

    from serving.deploy.start_server import server_command

    base, name, batching = _what(arguments)
    # The server takes this process over, so nobody is left to remove this folder of one small file.
    folder = Path(tempfile.mkdtemp(prefix="eoseg-server-"))
    command = server_command(base / name, name, arguments.port, batching, folder, arguments.server)
    is_embedded = command[0] == sys.executable
    if arguments.bind:
        if not is_embedded:
            from components.errors import ConfigError

            raise ConfigError(
                f"--bind {arguments.bind} with tensorflow_model_server",
                "the embedded server: the stock one always listens on all interfaces",
                "add --server embedded, or take --bind away",
            )
        command.append(f"--bind_address={arguments.bind}")
    if arguments.rest_port is not None:
        command.append(f"--rest_api_port={arguments.rest_port}")
    command += [f"--{flag.lstrip('-')}" for flag in arguments.flags]
    shown = arguments.bind or ("127.0.0.1" if is_embedded else "0.0.0.0")
    server = "embedded server" if is_embedded else "tensorflow_model_server"
    print(f"eoseg: serving {base / name} as '{name}' on {shown}:{arguments.port} ({server}); Ctrl-C stops", flush=True)
    os.execv(command[0], command)


def _what(arguments: argparse.Namespace) -> "tuple[Path, str, BatchingOptions]":
    from components.errors import ConfigError
    from serving.batching import BatchingOptions, read_batching

    base, name, batching = arguments.model_base, arguments.model_name, BatchingOptions()
    if arguments.config is not None:
        from tfx_pipeline.data_set import places_of
        from tfx_pipeline.load_config import load_config

        config = load_config(arguments.config, arguments.overrides, arguments.workdir)
        base = base or places_of(config).model_base
        name = name or config.publish.model_name
        batching = config.batching
    if base is None:
        raise ConfigError(
            "there is no model base to serve from",
            "the folder that versions are published into",
            "give --model-base DIR, or the CONFIG that they were published with",
        )
    if arguments.no_batching:
        batching = BatchingOptions(enabled=False)
    elif arguments.batching_file:
        batching = read_batching(arguments.batching_file)
    return Path(base).absolute(), name or "eoseg", batching
