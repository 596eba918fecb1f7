"""`eoseg validate CONFIG`: all checks of the data, without training."""

import argparse
import sys
from typing import Any

from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("validate", help="check the configuration, the images and the labels")
    add_config_arguments(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the findings; 0 without errors, 2 with."""
    config = config_of(arguments)

    from components.geo.labels import LabelDecoder
    from components.label_validation.checks import check_data_set, check_tile
    from components.label_validation.findings import as_text
    from tfx_pipeline.data_set import find_data_set, places_of

    data = find_data_set(config, places_of(config), print, fingerprint=False)
    decoder = LabelDecoder(config.table, config.labels)
    reports = []
    for i, tile in enumerate(data.tiles, 1):
        if sys.stderr.isatty():
            print(f"\r{i}/{len(data.tiles)} {tile.tile}\033[K", end="", file=sys.stderr, flush=True)
        reports.append(check_tile(tile, config.band_set, config.table, decoder, config.validation))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    findings = [finding for report in reports for finding in report.findings]
    findings += check_data_set(reports, config.table, config.validation)
    print(f"{len(data.tiles)} tiles checked")
    print(as_text(findings), end="")
    return 2 if any(finding.severity == "error" for finding in findings) else 0
