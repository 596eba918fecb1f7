"""`eoseg bench NAME`: a benchmark from the checkout's `benchmarks/` folder; its last line is one JSON object."""

import argparse
import runpy
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("bench", help="measure a part against its floor or peer (needs a checkout)")
    parser.add_argument("name", nargs="?", metavar="NAME", help="without it: list the benchmarks")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the benchmark")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Lists the benchmarks, or runs one as a script."""
    from components.errors import MissingFileError

    found = {path.stem.removeprefix("bench_"): path for path in sorted(BENCHMARKS.glob("bench_*.py"))}
    if arguments.name is None:
        print("\n".join(found))
        return 0
    if arguments.name not in found:
        raise MissingFileError(
            f"there is no benchmark '{arguments.name}' in {BENCHMARKS}",
            f"one of {', '.join(found) or '(none: this is no checkout)'}",
            "choose one of these" if found else "run it from an editable installation (make setup)",
        )
    sys.argv = [str(found[arguments.name]), *arguments.arguments]
    runpy.run_path(str(found[arguments.name]), run_name="__main__")
    return 0
