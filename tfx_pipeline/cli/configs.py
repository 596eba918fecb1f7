"""`eoseg configs`: the configurations that come with EOSeg."""

import argparse
from typing import Any


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("configs", help="list the shipped configurations, or print one to start from")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this one, for example demo.yaml")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Lists or prints."""
    from components.errors import MissingFileError
    from tfx_pipeline.load_config import shipped_configs

    shipped = shipped_configs()
    if arguments.name is None:
        for name, path in shipped.items():
            print(f"{name:24} {path}")
        return 0
    if arguments.name not in shipped:
        raise MissingFileError(f"no shipped configuration {arguments.name}", ", ".join(shipped), "correct the name")
    print(shipped[arguments.name].read_text(encoding="utf-8"), end="")
    return 0
