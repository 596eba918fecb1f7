"""`eoseg run CONFIG`: tiles in; a served, versioned model, maps and a report out."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of

if TYPE_CHECKING:
    from tfx_pipeline.what_changed import Triggers

EXIT_REFUSED = 3
EXIT_NOTHING_NEW = 4


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the whole pipeline, predict maps through the server, write the report",
        description="Runs the whole pipeline. What is unchanged since the last run in the same --workdir is reused; "
        "an interrupted run goes on. Exit code 3: the model was refused by its gates and not pushed; 4: with "
        "--if-changed, nothing is new.",
    )
    add_config_arguments(parser)
    group = parser.add_argument_group("continuous training")
    group.add_argument(
        "--if-changed",
        action="store_true",
        help="run only if the tiles, the configuration or the code are not those of the last run that pushed",
    )
    group.add_argument("--max-age", type=float, metavar="DAYS", help="... or the newest version is older")
    group.add_argument(
        "--max-drift", type=float, metavar="PSI", help="... or maps of the newest version have drifted further"
    )
    group.add_argument(
        "--drift", metavar="FILE", help="what `eoseg drift --json` wrote (default: drift.json in the workdir)"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the pipeline and what comes after it.

    Returns:
        0: a version is pushed; 3: the model was refused; 4: nothing is new.
    """
    config = config_of(arguments)
    triggers = _triggers(arguments)

    from tfx_pipeline.temporary_folder import temporary_folder
    from tfx_pipeline.whole_run import run_everything

    with temporary_folder():
        outcome = run_everything(config, sys.stdout, triggers)
    if outcome is None:
        return EXIT_NOTHING_NEW
    return 0 if outcome.pushed else EXIT_REFUSED


def _triggers(arguments: argparse.Namespace) -> "Triggers | None":
    age, drift, file = arguments.max_age, arguments.max_drift, arguments.drift
    if not arguments.if_changed:
        for name, value in (("--max-age", age), ("--max-drift", drift), ("--drift", file)):
            if value is not None:
                raise ConfigError(f"{name} without --if-changed", "--if-changed", "add it, or run in any case")
        return None
    if file is not None and drift is None:
        raise ConfigError("--drift without --max-drift", "the limit that it is compared with", "add --max-drift PSI")

    from pydantic import ValidationError

    from tfx_pipeline.what_changed import Triggers

    try:
        return Triggers(max_age_days=age, max_drift=drift, drift_file=file)
    except ValidationError as error:
        reasons = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise ConfigError(reasons, "numbers greater than 0", "see eoseg run --help") from error
