"""`eoseg report CONFIG`: writes the report of the latest run again; with `--compare A B`, two versions side by side."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of

if TYPE_CHECKING:
    from tfx_pipeline.data_set import Places


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "report",
        help="write the HTML report of the latest run again",
        description="Writes the report of the latest finished run in the --workdir again, and prints its path. Give "
        "the CONFIG and the --set values that the run was given. With --compare, writes a page that puts two pushed "
        "versions side by side instead.",
    )
    add_config_arguments(parser, required=False)
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="two pushed versions: folders, numbers in CONFIG's model base, or working directories of runs (their "
        "latest version)",
    )
    parser.add_argument("--output", metavar="FILE", help="where the page of --compare goes")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the report and prints where it is."""
    if arguments.compare is not None:
        from tfx_pipeline.report.compare_command import compare

        return compare(arguments)

    from components.errors import ConfigError, EosegError, MissingFileError

    if arguments.config is None:
        raise ConfigError("CONFIG is missing", "eoseg report CONFIG, or eoseg report --compare A B", "name one")
    if arguments.output is not None:
        raise ConfigError("--output goes with --compare", "--compare A B", "leave it out: the report has its place")
    config = config_of(arguments)

    from tfx_pipeline.data_set import find_data_set, places_of
    from tfx_pipeline.metadata_place import metadata_of
    from tfx_pipeline.run_record import read_latest_run

    places = places_of(config)
    record = read_latest_run(
        metadata_of(config, places)
    )  # before the tiles: without a run there is nothing to read them for

    from tfx_pipeline.outcome import read_outcome
    from tfx_pipeline.report.report import write_report

    try:
        outcome = read_outcome(record)
    except EosegError:
        raise
    except ValueError as error:
        done = ", ".join(sorted(record.steps)) or "none"
        raise MissingFileError(
            f"the latest run in {places.workdir} did not get to its end; finished steps: {done}",
            "a finished run",
            "run `eoseg run` with the same CONFIG and --workdir; it goes on where it stopped",
        ) from error
    data = find_data_set(config, places)
    print(write_report(config, data, places, record, outcome, maps_of(places)))
    return 0


def maps_of(places: "Places") -> dict[str, Path]:
    """The maps of the latest run that are still there, by tile."""
    if not places.summary.is_file():
        return {}
    maps = json.loads(places.summary.read_text(encoding="utf-8")).get("maps", {})
    return {tile: Path(file) for tile, file in maps.items() if Path(file).is_file()}
