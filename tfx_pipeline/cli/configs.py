"""`eoseg configs`: the configurations that come with EOSeg, and what each key means."""

import argparse
from typing import Any


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("configs", help="list the shipped configurations, print one, or list all keys")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("name", nargs="?", metavar="NAME", help="print this one, for example demo.yaml")
    what.add_argument(
        "--keys", nargs="?", const="", metavar="KEY", help="list all keys, or those at and below one: training.loss"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Lists or prints."""
    if arguments.keys is not None:
        from tfx_pipeline.key_reference.keys import keys_at
        from tfx_pipeline.key_reference.page import as_text

        print(as_text(keys_at(arguments.keys)))
        return 0
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
