"""`eoseg validate CONFIG`: all checks of the data, without training."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tfx_pipeline.cli.config_arguments import add_config_arguments, config_of

MOST_OF_A_CODE = 20
"""Findings of one code that are written on the terminal."""


def register(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Adds the verb."""
    parser = subparsers.add_parser("validate", help="check the configuration, the images and the labels")
    add_config_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write findings and facts as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures of the worst places")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the findings; 0 without errors, 2 with."""
    config = config_of(arguments)

    from components.label_validation.checks import check_data_set
    from components.label_validation.findings import as_text
    from components.label_validation.measure_tile import TileMeasurer
    from components.label_validation.parts import by_tile
    from tfx_pipeline.data_set import find_data_set, places_of

    data = find_data_set(config, places_of(config), print, fingerprint=False)
    if config.network.pretrained_path not in ("none", "imagenet"):
        from components.training.weights_digest import weights_digest  # imports TensorFlow

        weights_digest(config.network.pretrained_path)  # raises
    measurer = TileMeasurer(config.band_set, config.table, config.label_options)
    facts = []
    tiles = by_tile(data.tiles)
    for i, parts in enumerate(tiles, 1):
        if sys.stderr.isatty():
            print(f"\r{i}/{len(tiles)} {parts.tiles[0].whole_tile}\033[K", end="", file=sys.stderr, flush=True)
        facts.append(measurer.measure(*parts.tiles))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    findings = check_data_set(facts, config.table, config.validation)
    blocks = f" in {len(data.tiles)} ground blocks" if len(data.tiles) > len(tiles) else ""
    print(f"{len(tiles)} tile{'s' * (len(tiles) != 1)}{blocks} checked")
    print(as_text(findings, MOST_OF_A_CODE), end="")
    if arguments.json:
        from components.label_validation.report import as_document

        _write(arguments.json, json.dumps(as_document(findings, facts, config.table), indent=2))
    if arguments.html:
        from components.label_validation.page import Photographer, as_html

        photographer = Photographer(facts, config.band_set, config.table, config.label_options)
        _write(arguments.html, as_html(config.name, findings, len(facts), config.table, photographer))
    return 2 if any(finding.severity == "error" for finding in findings) else 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"written: {path}")
