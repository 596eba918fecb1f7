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
from components.label_validation.findings import Finding, apply_budgets, in_blocks, most_severe_first
from components.label_validation.options import ValidationOptions as ValidationOptions
from components.label_validation.tile_checks import check_tile


def check_data_set(tiles: Sequence[TileFacts], table: ClassTable, options: ValidationOptions) -> list[Finding]:
    """Every finding of a data set, judged by its budgets, most severe first.

    Args:
        tiles: Facts of all its tiles, in any order; ground blocks are parts of theirs.
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
    findings = _surely_of_another_tile(findings, tiles)
    blocks = {facts.source.tile: [part.source for part in facts.parts] for facts in tiles}
    return most_severe_first(apply_budgets(in_blocks(findings, blocks), options.budgets))


def _surely_of_another_tile(findings: Sequence[Finding], tiles: Sequence[TileFacts]) -> list[Finding]:
    """The findings; `duplicate-label` as an error where one of the two images has colours that do not fit the label.

    Either alone may be as it should: two dates of the same ground have one label, and a label may be poor. Together
    they are no chance, unless both tiles lie on the same grid (one of two dates may be under snow).
    """
    doubtful = {finding.tile for finding in findings if finding.code == "class-colours-collapse"}
    grid_of = {facts.source.tile: facts.image for facts in tiles}
    judged = []
    for finding in findings:
        wrong = sorted({finding.tile, finding.other_tile} & doubtful)
        image = grid_of.get(finding.tile)
        same_ground = image is not None and bool(image.wkt) and image == grid_of.get(finding.other_tile)
        if finding.code == "duplicate-label" and wrong and not same_ground:
            found = f"{finding.found}; it does not fit the colours of tile {' and tile '.join(wrong)}"
            finding = finding.model_copy(update={"severity": "error", "found": found})
        judged.append(finding)
    return judged
