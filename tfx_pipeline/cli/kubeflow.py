"""`eoseg kubeflow compile | submit`: the pipeline as a file for a cluster, and its runs there.

The work is done by `kubeflow/`, which imports this package and is not imported by it: it is found as a plug-in, by the
entry points of the group `eoseg.kubeflow` (docs/decisions).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of
from tfx_pipeline.cli.kubeflow_flags import add_compile_flags, add_submit_flags, as_overrides, pair
from tfx_pipeline.kubeflow_request import RunRequest

if TYPE_CHECKING:
    from tfx_pipeline.config import Config

GROUP = "eoseg.kubeflow"
TOKEN_VARIABLE = "EOSEG_KUBEFLOW_TOKEN"
ENDPOINT_VARIABLE = "KF_PIPELINES_ENDPOINT"
EXIT_RUN_FAILED = 1


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb with its two verbs."""
    parser = subparsers.add_parser(
        "kubeflow", help="compile the pipeline for Kubeflow Pipelines, and run it there", description=__doc__
    )
    verbs = parser.add_subparsers(dest="kubeflow_verb", required=True, metavar="VERB")
    compiler = verbs.add_parser(
        "compile",
        help="write the pipeline as a file for Kubeflow Pipelines (KFP v2, schema 2.1)",
        description="Writes the pipeline that `eoseg run` runs as a YAML file for Kubeflow Pipelines. Each flag "
        "overrides a key below `kubeflow` in CONFIG. The tiles are looked at here; where they are in the cluster is "
        "the run's parameter data_root.",
    )
    add_config_arguments(compiler)
    add_compile_flags(compiler)
    compiler.add_argument("-o", "--output", type=Path, default=Path("pipeline.yaml"), metavar="FILE")
    compiler.set_defaults(handler=compile_)
    submitter = verbs.add_parser(
        "submit",
        help="start a run, or a schedule of runs, at a Kubeflow Pipelines endpoint",
        description=f"Compiles CONFIG, unless --pipeline names a compiled file, and hands it in. The token is read "
        f"from {TOKEN_VARIABLE} or --token-file. Exit code 1: --wait was given and the run did not succeed.",
    )
    add_config_arguments(submitter)
    add_compile_flags(submitter)
    add_submit_flags(submitter)
    submitter.set_defaults(handler=submit)


def compile_(arguments: argparse.Namespace) -> int:
    """Writes the file and prints its path."""
    config = _config(arguments)
    _plug_in("compile")(config, arguments.output, lambda text: print(text, file=sys.stderr))
    print(arguments.output)
    return 0


def submit(arguments: argparse.Namespace) -> int:
    """Hands a pipeline in and prints the link."""
    config = _config(arguments)
    options = config.kubeflow.submit
    if options.endpoint is None and os.environ.get(ENDPOINT_VARIABLE):
        options = options.model_copy(update={"endpoint": os.environ[ENDPOINT_VARIABLE]})
    request = RunRequest(
        name=arguments.name or config.name,
        parameters=dict(pair("--parameter", text) for text in arguments.parameter),
        pipeline_root=config.kubeflow.pipeline_root if _is_store(config.kubeflow.pipeline_root) else None,
        cron=arguments.cron,
        every_seconds=arguments.every,
        at_once=arguments.at_once,
        wait_seconds=arguments.timeout if arguments.wait else None,
        token=_token(arguments.token_file),
        ca_file=arguments.ca_file,
        poll_seconds=arguments.poll,
    )
    if arguments.wait and (arguments.cron or arguments.every):
        raise ConfigError("--wait is given with a schedule", "one of the two", "leave --wait out")
    with tempfile.TemporaryDirectory(prefix="eoseg_") as folder:
        file = arguments.pipeline
        if file is None:
            file = Path(folder) / "pipeline.yaml"
            _plug_in("compile")(config, file, lambda text: print(text, file=sys.stderr))
        made = _plug_in("submit")(file, options, request, lambda text: print(text, flush=True))
    if arguments.wait and made.state != "SUCCEEDED":
        print(f"eoseg: the run ended as {made.state.lower()}: {made.error or made.link}", file=sys.stderr)
        return EXIT_RUN_FAILED
    return 0


def _config(arguments: argparse.Namespace) -> "Config":
    arguments.overrides = [*arguments.overrides, *as_overrides(arguments)]
    return config_of(arguments)


def _plug_in(name: str) -> Callable[..., Any]:
    # All of them: an old `eoseg.egg-info` in the current folder must not hide the installed one.
    entries = (entry for distribution in distributions(name="eoseg") for entry in distribution.entry_points)
    found = [entry for entry in entries if entry.group == GROUP and entry.name == name]
    if not found:
        raise ConfigError(
            f"this installation of EOSeg has no entry point {GROUP}:{name}",
            "one that was made by `make setup` or pip",
            "install EOSeg again",
        )
    plug_in: Callable[..., Any] = found[0].load()
    return plug_in


def _is_store(root: str | None) -> bool:
    return root is not None and "://" in root


def _token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise MissingFileError(
            f"--token-file {file} cannot be read: {error.strerror}", "a file with a token", "correct the path"
        ) from error
    if not token:
        raise ConfigError(f"--token-file {file} is empty", "a file with a token", "write the token into it")
    return token
