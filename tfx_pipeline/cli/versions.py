"""`eoseg versions`: the life of a version after it was pushed."""

import argparse
from typing import Any

from tfx_pipeline.cli import versions_bundle, versions_change, versions_look, versions_watch

EPILOG = (
    "MODEL is the CONFIG that the versions were published with, or the model's folder (MODEL_BASE/NAME). V is a "
    "version's number, one of its labels, or `newest`. Exit codes: 0 done; 2 bad input, refused or undone, and nothing "
    "was changed; 3 `watch`: a rule is breached (the canary is withdrawn, but for --look); `trace`: the map "
    "is of another version of that number; `log`: the log was altered; 4 `watch`: too few maps yet."
)


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb and its own verbs."""
    parser = subparsers.add_parser(
        "versions",
        help="list, compare, promote, try out, roll back, retire and carry versions",
        description="What becomes of the pushed versions. Every change is logged, and made whole or not at all.",
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(dest="versions_verb", required=True, metavar="VERB")
    for module in (versions_look, versions_change, versions_watch, versions_bundle):
        module.register(verbs)
