"""`eoseg versions watch`: compares the canary with the stable version, and takes it off where a rule says so."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfx_pipeline.cli.versions_arguments import add_change, add_model, add_servers, asked, say, server_options

if TYPE_CHECKING:
    from serving.versions.watch import Verdict

EXIT_BREACHED = 3
EXIT_TOO_FEW = 4
_OPTIONS = ("least_maps", "most_errors", "most_slowdown", "most_drift", "most_confidence_loss", "chance")


def register(verbs: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = verbs.add_parser(
        "watch",
        help="compare canary and stable version by their maps; withdraw the canary by rule",
        description="Reads what `eoseg predict --registry` has kept of each map since the canary began. Exit codes: "
        "0 no rule is breached; 3 one is, and the canary is withdrawn (but for --look); 4 there are too few maps yet.",
    )
    add_model(parser)
    parser.add_argument("--observations", metavar="DIR", help="where the maps' observations are (default: in MODEL)")
    parser.add_argument("--look", action="store_true", help="only say what there is; withdraw nothing")
    parser.add_argument(
        "--every", type=float, metavar="SECONDS", help="look again until a rule is breached, the canary ends, or --for"
    )
    parser.add_argument("--for", type=float, dest="seconds", metavar="SECONDS", help="how long, with --every")
    rules = parser.add_argument_group("rules; each must also be beyond what chance makes of the same maps")
    rules.add_argument("--least-maps", type=int, metavar="N", help="of each version (default: 20)")
    rules.add_argument(
        "--most-errors", type=float, metavar="SHARE", help="more failed maps than stable (default: 0.02)"
    )
    rules.add_argument(
        "--most-slowdown", type=float, metavar="RATIO", help="time a megapixel over stable's (default: 1.5)"
    )
    rules.add_argument("--most-drift", type=float, metavar="PSI", help="stability index of class shares (default: 0.2)")
    rules.add_argument("--most-confidence-loss", type=float, metavar="POINTS", help="percentage points (default: 5)")
    rules.add_argument("--chance", type=float, metavar="P", help="of as large a difference by chance (default: 0.01)")
    add_change(parser)
    add_servers(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Looks once, or again and again."""
    from pydantic import ValidationError

    from components.errors import ConfigError
    from serving.versions.canary_state import read_canary
    from serving.versions.canary_watch import watch_canary
    from serving.versions.watch import WatchOptions

    values = {name: getattr(arguments, name) for name in _OPTIONS if getattr(arguments, name) is not None}
    try:
        options = WatchOptions.model_validate(values)
    except ValidationError as error:
        reasons = "; ".join(
            "".join(f"--{str(name).replace('_', '-')}: " for name in item["loc"])
            + str(item["msg"]).removeprefix("Value error, ")
            for item in error.errors()
        )
        raise ConfigError(reasons, "values in range", "see eoseg versions watch --help") from error
    if arguments.seconds is not None and arguments.every is None:
        raise ConfigError("--for without --every", "both", "add --every SECONDS")
    registry, servers = asked(arguments).registry, server_options(arguments)
    folder = Path(arguments.observations) if arguments.observations else None
    ends = None if arguments.seconds is None else time.monotonic() + arguments.seconds
    while True:
        verdict = watch_canary(
            registry, servers, options, folder=folder, withdraw=not arguments.look, wait_seconds=arguments.wait, say=say
        )
        print(_text(verdict, options.least_maps), flush=True)
        if verdict.breaches:
            say("the canary would be withdrawn" if arguments.look else "the canary is withdrawn")
            return EXIT_BREACHED
        is_over = ends is not None and time.monotonic() + (arguments.every or 0) > ends
        if arguments.every is None or is_over:
            return 0 if verdict.enough else EXIT_TOO_FEW
        time.sleep(max(arguments.every, 0.1))
        if read_canary(registry) is None:
            say("the canary has ended")
            return 0


def _text(verdict: "Verdict", least: int) -> str:
    lines = [f"maps since the canary began: stable {verdict.stable_maps}, canary {verdict.canary_maps}"]
    if not verdict.enough:
        lines.append(f"too few to conclude anything: {least} of each are wanted")
    for rule in verdict.rules:
        said = "BREACHED" if rule.breached else ("within chance" if rule.difference > rule.threshold else "kept")
        lines.append(
            f"  {rule.name:22} stable {rule.stable:9.4g}  canary {rule.canary:9.4g}  "
            f"difference {rule.difference:9.4g}  allowed {rule.threshold:6g}  chance {rule.chance:5.3f}  {said}"
        )
    return "\n".join(lines)
