"""The validator's report as JSON: a stable form, for machines.

    {"format": 1,
     "counts": {"error": 0, "warning": 1, "info": 0},
     "findings": [{"code", "severity", "tile", "file", "found", "expected", "remedy", "place", "row", "col",
                   "other_tile"}, ...],
     "tiles": [{"tile", "whole_tile", "split", "pixels", "by_class": {NAME: pixels}, "void", "off_palette", "crs",
                "height", "width", "pixel_size_m", "dtype", "date", "valid_share", "bands": [...],
                "classes": {NAME: colours or null}, "image_digest", "label_digest", "shift"}, ...]}

Findings are sorted, most severe first; tiles by id, and only those whose labels could be read. Ground blocks are listed
each by itself, as what is counted in a split; grid, class colours, digests and shift are then those of their whole
tile, by whose id findings name it. Lists of bands, colours and shift are those of `components.label_validation.facts`.
New keys may come; these stay while `format` is 1.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from components.classes import ClassTable
from components.label_validation.codes import SEVERITIES
from components.label_validation.facts import PartFacts, TileFacts
from components.label_validation.findings import Finding, most_severe_first

FORMAT = 1


def as_document(findings: Sequence[Finding], tiles: Sequence[TileFacts], table: ClassTable) -> dict[str, Any]:
    """The report, ready for `json.dumps`."""
    counts = Counter(finding.severity for finding in findings)
    return {
        "format": FORMAT,
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "findings": [finding.model_dump() for finding in most_severe_first(findings)],
        "tiles": [
            _part(part, facts, table)
            for facts in sorted(tiles, key=lambda f: f.source.tile)
            for part in sorted(facts.parts, key=lambda p: p.source.tile)
            if part.tally
        ],
    }


def _part(part: PartFacts, facts: TileFacts, table: ClassTable) -> dict[str, Any]:
    tally, image = part.tally, facts.image
    if tally is None or image is None:
        return {}
    return {
        "tile": part.source.tile,
        "whole_tile": facts.source.tile,
        "split": part.source.split,
        "pixels": tally.pixels,
        "by_class": dict(zip(table.names, tally.by_class, strict=True)),
        "void": tally.void,
        "off_palette": tally.unknown,
        "crs": image.crs,
        "height": image.height,
        "width": image.width,
        "pixel_size_m": image.pixel_size_m,
        "dtype": facts.dtype,
        "date": facts.source.date,
        "valid_share": part.valid_share,
        "bands": [band.model_dump() for band in part.bands],
        "classes": {
            name: colour and colour.model_dump() for name, colour in zip(table.names, facts.classes, strict=True)
        },
        "image_digest": facts.image_digest,
        "label_digest": facts.label_digest,
        "shift": facts.shift and facts.shift.model_dump(),
    }
