"""`eoseg versions promote | canary | rollback | retire`."""

import argparse
from typing import Any

from tfx_pipeline.cli.versions_arguments import (
    add_change,
    add_model,
    add_servers,
    asked,
    say,
    server_options,
    version_of,
)


def register(verbs: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verbs."""
    promote = verbs.add_parser("promote", help="give a version a label: `stable` is what everyone asks for")
    add_model(promote)
    promote.add_argument("version", metavar="V")
    promote.add_argument("--to", default="stable", metavar="LABEL", help="default: %(default)s")
    promote.add_argument(
        "--drop-previous",
        action="store_true",
        help="do not keep the version that was stable loaded as `previous` (saves its memory; rolling back loads it)",
    )
    add_change(promote)
    add_servers(promote)
    promote.set_defaults(handler=run_promote)

    canary = verbs.add_parser("canary", help="give a version a share of the tiles")
    add_model(canary)
    canary.add_argument("version", metavar="V", nargs="?", help="not with --end")
    canary.add_argument(
        "--percent", type=float, metavar="P", help="its share of the tiles, above 0 to 100 (default: 10)"
    )
    canary.add_argument("--end", action="store_true", help="take the canary off; nothing becomes stable by it")
    add_change(canary)
    add_servers(canary)
    canary.set_defaults(handler=run_canary)

    rollback = verbs.add_parser("rollback", help="make the version before the stable one stable again")
    add_model(rollback)
    rollback.add_argument("--to-version", metavar="V", help="this one (default: the one that was stable before)")
    add_change(rollback)
    add_servers(rollback)
    rollback.set_defaults(handler=run_rollback)

    retire = verbs.add_parser("retire", help="delete old versions; never one that is labelled or served")
    add_model(retire)
    retire.add_argument("versions", metavar="V", nargs="*", help="these; or give --keep")
    retire.add_argument("--keep", type=int, metavar="N", help="all but the newest N and those that are needed")
    retire.add_argument("--dry-run", action="store_true", help="only say which")
    add_change(retire, loads=False)
    add_servers(retire)
    retire.set_defaults(handler=run_retire)


def run_promote(arguments: argparse.Namespace) -> int:
    """Promotes a version."""
    from serving.versions.operations import promote_version

    registry, servers = asked(arguments).registry, server_options(arguments)
    promote_version(
        registry,
        arguments.version,
        servers,
        label=arguments.to,
        keep_previous=not arguments.drop_previous,
        reason=arguments.reason,
        wait_seconds=arguments.wait,
        say=say,
    )
    _say_of_file_only(servers.addresses)
    return 0


def run_canary(arguments: argparse.Namespace) -> int:
    """Begins, changes or ends a canary."""
    from components.errors import ConfigError
    from serving.versions.operations import set_canary, withdraw_canary

    registry, servers = asked(arguments).registry, server_options(arguments)
    if arguments.end == (arguments.version is not None) or (arguments.end and arguments.percent is not None):
        raise ConfigError("canary needs a version, or --end", "V [--percent P], or --end", "give one of both")
    if arguments.end:
        withdraw_canary(registry, servers, reason=arguments.reason, wait_seconds=arguments.wait, say=say)
    else:
        percent = 10.0 if arguments.percent is None else arguments.percent
        if not 0 < percent <= 100:
            raise ConfigError(f"--percent {percent:g}", "above 0, at most 100", "correct it; --end takes a canary off")
        set_canary(
            registry,
            arguments.version,
            percent,
            servers,
            reason=arguments.reason,
            wait_seconds=arguments.wait,
            say=say,
        )
    _say_of_file_only(servers.addresses)
    return 0


def run_rollback(arguments: argparse.Namespace) -> int:
    """Rolls back."""
    from serving.versions.operations import roll_back_stable

    registry, servers = asked(arguments).registry, server_options(arguments)
    to = arguments.to_version
    roll_back_stable(registry, servers, to=to, reason=arguments.reason, wait_seconds=arguments.wait, say=say)
    _say_of_file_only(servers.addresses)
    return 0


def run_retire(arguments: argparse.Namespace) -> int:
    """Deletes versions."""
    from serving.versions.retire import retire

    registry, servers = asked(arguments).registry, server_options(arguments)
    gone = retire(
        registry,
        servers,
        keep=arguments.keep,
        versions=[version_of(registry, text) for text in arguments.versions],
        reason=arguments.reason,
        wait_seconds=arguments.wait,
        dry_run=arguments.dry_run,
        say=say,
    )
    if not gone:
        say("no version can go: all are among the newest, labelled or served")
    return 0


def _say_of_file_only(addresses: tuple[str, ...]) -> None:
    if not addresses:
        say(
            "models.config alone was changed (no --server): servers that start from now on follow it; one that runs "
            "and polls it follows where it has the version loaded already, and else refuses it until --server names it"
        )
