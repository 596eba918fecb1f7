"""All checks of a data set: from the facts of its tiles to findings."""

from collections.abc import Sequence

from components.classes import ClassTable
from components.label_validation.band_drift import check_band_drift
from components.label_validation.class_colours import check_class_colours
from components.label_validation.data_set_checks import (
    check_duplicates,
    check_ground,
    check_ignored,
    check_splits,
    check_uniformity,
)
from components.label_validation.facts import TileFacts
from components.label_validation.findings import Finding, apply_budgets, most_severe_first
from components.label_validation.options import ValidationOptions as ValidationOptions
from components.label_validation.tile_checks import check_tile


def check_data_set(tiles: Sequence[TileFacts], table: ClassTable, options: ValidationOptions) -> list[Finding]:
    """Every finding of a data set, judged by its budgets, most severe first.

    Args:
        tiles: Facts of all its tiles, in any order.
        table: Its classes.
        options: Thresholds and budgets.
    """
    # Sorted, so that of two equal tiles the same one is named whatever the workers did.
    tiles = sorted(tiles, key=lambda facts: facts.source.tile)
    findings = [finding for facts in tiles for finding in check_tile(facts, options)]
    findings += check_splits(tiles, table, options)
    findings += check_duplicates(tiles)
    findings += check_ground(tiles)
    findings += check_uniformity(tiles, options)
    findings += check_ignored(tiles, options)
    findings += check_band_drift(tiles, options)
    findings += check_class_colours(tiles, table, options)
    return most_severe_first(apply_budgets(findings, options.budgets))
