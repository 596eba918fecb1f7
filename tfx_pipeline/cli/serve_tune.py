"""`eoseg serve tune`: measures how a model is best served on this machine, and writes the settings."""

import argparse
import signal
import sys
from pathlib import Path

from tfx_pipeline.cli.serve_model import add_model_arguments, model_of

DESCRIPTION = (
    "Measures the model by itself and behind servers with and without batching, under more and more clients, and "
    "writes the settings that give the most patches a second within the latency budget: batching.yaml and "
    "batching_parameters.txt for the server, client.yaml for `eoseg predict`, and the table (CSV, JSON) with a plot "
    "(tuning.html) of why. Ctrl-C ends it early with what is measured so far."
)
EXIT_NO_CHOICE = 3
EXIT_ENDED = 143
"""128 + SIGTERM, as a shell says it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the sub-verb."""
    add_model_arguments(parser, needed=True)
    parser.add_argument(
        "--latency-budget-ms",
        type=float,
        metavar="MS",
        default=1000.0,
        help="95 %% of requests must be answered within it (default: %(default)g)",
    )
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="for measuring, beside the servers' start (default: %(default)g)"
    )
    parser.add_argument("--concurrency", type=_numbers, metavar="N,N,...", help="clients to try (default: 1,2,4,8,16)")
    parser.add_argument(
        "--patches", type=_numbers, metavar="N,N,...", help="patches a request to try (default: 1,4,16)"
    )
    parser.add_argument("--output", metavar="NAME", help="the output to ask for (default: what maps are made of)")
    parser.add_argument(
        "--server", choices=("auto", "stock", "embedded"), default="auto", help="which server (default: %(default)s)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="where the files go (default: `tuning` in the workdir of CONFIG, else ./tuning)"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Tunes, shows the table, writes the files.

    Returns:
        0 if settings were chosen, 3 if none keeps the budget, 130 if it was interrupted too early to choose.
    """
    from serving.config_text import validated
    from serving.tuning.report import direct_table, table, write_report
    from serving.tuning.tune import TuneOptions, newest_version, tune

    found = model_of(arguments)
    given = {"concurrency": arguments.concurrency, "patches": arguments.patches, "output": arguments.output}
    options = validated(
        TuneOptions,
        "eoseg serve tune",
        latency_budget_ms=arguments.latency_budget_ms,
        seconds=arguments.seconds,
        kind=arguments.server,
        **{name: value for name, value in given.items() if value is not None},
    )
    versions = found.model.policy.versions
    version = versions[0] if versions else newest_version(Path(found.model.base_path))
    # Told to end, it takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_ENDED))
    tuning = tune(found.model, version, options, lambda text: print(f"eoseg: {text}", file=sys.stderr, flush=True))
    chosen = None if tuning.choice is None else tuning.choice.chosen
    print(f"session calls, without a server:\n{direct_table(tuning.direct)}\n")
    print(table(tuning.rows, chosen, tuning.budget_ms))
    folder = Path(arguments.out) if arguments.out else (found.workdir or Path.cwd()) / "tuning"
    files = write_report(tuning, folder)
    if tuning.choice is None or chosen is None:
        print(f"\n{tuning.problem}")
    else:
        print(f"\n{tuning.choice.reason}")
        print(
            f"chosen: {chosen.server}, {chosen.concurrency} requests at a time of {chosen.patches_per_request} "
            f"patches: {chosen.patches_per_second:.1f} patches/s, 95 % within {chosen.p95_ms:.0f} ms"
        )
    print(f"written: {', '.join(map(str, files))}")
    if chosen is None:
        return 130 if "interrupted" in tuning.problem else EXIT_NO_CHOICE
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))
