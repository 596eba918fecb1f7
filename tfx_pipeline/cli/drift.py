"""`eoseg drift`: whether what is mapped is still what the model was trained on."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.drift.compare import Drift

EXIT_TOO_FEW = 4
EXIT_DRIFTED = 5


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "drift",
        help="compare the maps made with `predict --monitor` with what the model was trained on",
        description="Compares bands, class shares and confidence of the maps whose statistics "
        "`eoseg predict --monitor` has kept with those of their version's training, by population stability index. "
        "Exit codes: 0; with --max-psi 5 if it is exceeded, by more than chance, and 4 if there are too few maps to "
        "tell; 2 bad input.",
    )
    parser.add_argument("--monitor", metavar="DIR", required=True, help="the folder of the maps' statistics")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--model-base", metavar="DIR", help="the folder that holds NAME/VERSION")
    where.add_argument(
        "--reference", metavar="PATH", help="instead: a version's folder, or its reference_statistics.json"
    )
    parser.add_argument("--model-name", metavar="NAME", help="only this model's maps (default: those of the only one)")
    parser.add_argument("--version", type=int, help="only this version's maps (default: the newest that made a map)")
    parser.add_argument("--since", metavar="DATE", help="only maps made then or later, as 2025-06-01")
    parser.add_argument("--max-psi", type=float, metavar="PSI", help="the limit; 0.25 is usually called a large change")
    parser.add_argument(
        "--least-maps", type=int, default=5, metavar="N", help="with fewer, nothing exceeds (default: %(default)s)"
    )
    parser.add_argument("--worst", type=int, default=5, metavar="N", help="maps to list (default: %(default)s)")
    parser.add_argument(
        "--json", metavar="FILE", help="write it as JSON, too; - for standard output instead of a table"
    )
    parser.add_argument("--prometheus", metavar="FILE", help="write gauges for Prometheus' textfile collector (.prom)")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Compares, and says how it is.

    Returns:
        0, 4 or 5; see the description.
    """
    from components.errors import ConfigError
    from serving.drift.document import as_document, as_prometheus, as_table, exceeds
    from serving.finished_map import whole_or_nothing

    limit, least = arguments.max_psi, arguments.least_maps
    for name, value, smallest in (("max-psi", limit, 0), ("least-maps", least, 1), ("worst", arguments.worst, 0)):
        if value is not None and not value >= smallest:
            raise ConfigError(f"--{name} {value:g}", f"at least {smallest}", "see eoseg drift --help")
    drift = _measured(arguments)
    document = as_document(drift, most_psi=limit, least_maps=least, worst=max(arguments.worst, 10))
    if arguments.json == "-":
        print(json.dumps(document, indent=1, allow_nan=False))
    else:
        print(as_table(drift, arguments.worst))
    for path, text in (
        (arguments.json, json.dumps(document, indent=1, allow_nan=False)),
        (arguments.prometheus, as_prometheus(drift, time.time())),
    ):
        if path not in (None, "-"):
            with whole_or_nothing(Path(path), "drift") as part:
                part.write_text(text, encoding="utf-8")
    if limit is None:
        return 0
    if drift.maps < least:
        return EXIT_TOO_FEW
    return EXIT_DRIFTED if exceeds(drift, limit, least) else 0


def _measured(arguments: argparse.Namespace) -> "Drift":
    from components.errors import MissingFileError
    from serving.drift.of_folder import Chosen, drift_of_folder, moment

    chosen = Chosen(
        model=arguments.model_name,
        version=arguments.version,
        since=None if arguments.since is None else moment(arguments.since),
    )
    folder = Path(arguments.monitor)
    if arguments.reference is not None:
        return drift_of_folder(folder, Path(arguments.reference), chosen)
    base = Path(arguments.model_base)
    if not base.is_dir():
        raise MissingFileError(
            f"there is no folder {base}", "the folder that holds NAME/VERSION", "correct --model-base"
        )
    return drift_of_folder(folder, base, chosen)
