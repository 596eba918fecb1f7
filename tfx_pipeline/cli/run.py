"""`eoseg run CONFIG`: tiles in; a served, versioned model, maps and a report out."""

import argparse
import sys
from typing import Any

from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of

EXIT_REFUSED = 3


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the whole pipeline, predict maps through the server, write the report",
        description="Runs the whole pipeline. What is unchanged since the last run in the same --workdir is reused; "
        "an interrupted run goes on. Exit code 3: the model was refused by its gates and not pushed.",
    )
    add_config_arguments(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the pipeline and what comes after it."""
    config = config_of(arguments)

    from tfx_pipeline.whole_run import run_everything

    outcome = run_everything(config, sys.stdout)
    return 0 if outcome.pushed else EXIT_REFUSED
