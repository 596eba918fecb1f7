"""The arguments that every verb with a configuration takes."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx_pipeline.config import Config


def add_config_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Adds CONFIG, --set and --workdir; where CONFIG is not required, it may be None."""
    parser.add_argument(
        "config",
        metavar="CONFIG",
        nargs=None if required else "?",
        help="a YAML file, or the name of a shipped one (eoseg configs)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a key, for example --set training.steps=100 (repeatable)",
    )
    parser.add_argument("--workdir", metavar="DIR", help="where everything that is made goes")


def config_of(arguments: argparse.Namespace) -> "Config":
    """The validated configuration that the arguments name.

    Raises:
        ConfigError, MissingFileError: As `load_config`.
    """
    from tfx_pipeline.load_config import load_config

    return load_config(arguments.config, arguments.overrides, arguments.workdir)
