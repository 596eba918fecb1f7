"""The findings as one HTML page that needs no other file and no network, with pictures of the worst places."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jinja2 import Environment, StrictUndefined

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.errors import EosegError
from components.geo.bands import BandSet
from components.geo.image import open_image
from components.geo.label_options import LabelOptions
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from components.label_validation import thumbnails
from components.label_validation.codes import CODES, SEVERITIES
from components.label_validation.facts import TileFacts
from components.label_validation.findings import Finding, most_severe_first

TEMPLATE = "findings.html.j2"
MOST_FINDINGS = 300
"""Findings beyond these are counted, not shown."""
MOST_CROPS = 60
"""Places that are read again, at full resolution; findings beyond them show the small picture of their tile."""
CROP = 256
"""Pixels a side of a crop."""
SWATCH = 18
"""Pixels a side of a sample in the key: three periods of the pattern for void."""


@dataclass(frozen=True)
class Picture:
    """A picture as a `data:` address, and what it shows."""

    uri: str
    caption: str


class Photographer:
    """Takes the pictures of a finding: around its place at full resolution, else of its whole tile.

    Args:
        tiles: Facts of the data set's tiles.
        bands, table, labels: As the tiles were measured with.
    """

    def __init__(self, tiles: Sequence[TileFacts], bands: BandSet, table: ClassTable, labels: LabelOptions) -> None:
        self._facts = {facts.source.tile: facts for facts in tiles}
        self._bands = bands
        self._table = table
        self._decoder = LabelDecoder(table, labels)
        self._crops = 0

    def pictures(self, finding: Finding) -> list[Picture]:
        """Image and label of the finding's tile, and of the second tile of a pair; none for the data set as a whole."""
        pictures: list[Picture] = []
        facts = self._facts.get(finding.tile)
        if facts is not None and finding.row is not None and finding.col is not None and self._crops < MOST_CROPS:
            self._crops += 1
            pictures += self._crop(facts, finding.row, finding.col)
        if facts is not None and not pictures:
            pictures += self._small(facts)
        other = self._facts.get(finding.other_tile)
        if other is not None:
            pictures += self._small(other)
        return pictures

    @staticmethod
    def _small(facts: TileFacts) -> list[Picture]:
        pairs = ((facts.image_thumbnail, "image"), (facts.label_thumbnail, "label"))
        return [Picture(uri, f"{what} of tile {facts.source.tile}") for uri, what in pairs if uri]

    def _crop(self, facts: TileFacts, row: int, col: int) -> list[Picture]:
        """Pictures around a place; none where it cannot be read."""
        source = facts.source
        try:
            with open_image(source.all_rasters, self._bands) as image, self._decoder.open(source, image.grid) as label:
                window = _around(row, col, image.height, image.width)
                picture = thumbnails.image_picture(image.read(window).pixels)
                ids = label.read(window)
        except EosegError:
            return []
        where = f"rows {window.row} to {window.row_stop - 1}, columns {window.col} to {window.col_stop - 1}"
        return [
            Picture(thumbnails.png_uri(picture), f"image, {where}"),
            Picture(thumbnails.png_uri(thumbnails.outlined(picture, ids)), "image with the label's edges"),
            Picture(thumbnails.ids_uri(ids, self._table), "label"),
        ]


def as_html(
    name: str, findings: Sequence[Finding], tile_count: int, table: ClassTable, photographer: Photographer
) -> str:
    """The page.

    Args:
        name: Of the data set.
        findings: After the budgets.
        tile_count: How many tiles were checked.
        table: The classes, for the key.
        photographer: Takes the pictures.
    """
    ordered = most_severe_first(findings)
    counts = Counter((finding.code, finding.severity) for finding in ordered)
    totals = Counter(finding.severity for finding in ordered)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("components.label_validation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    page: str = environment.from_string(template).render(
        name=name,
        tile_count=tile_count,
        totals=", ".join(f"{totals[severity]} {severity}{'s' * (totals[severity] != 1)}" for severity in SEVERITIES),
        severities=SEVERITIES,
        rows=[
            {"code": code, "meaning": facts.meaning, "counts": [counts[code, severity] for severity in SEVERITIES]}
            for code, facts in CODES.items()
            if any(counts[code, severity] for severity in SEVERITIES)
        ],
        key=_key(table),
        items=[{"finding": finding, "pictures": photographer.pictures(finding)} for finding in ordered[:MOST_FINDINGS]],
        left_out=max(0, len(ordered) - MOST_FINDINGS),
    )
    return page


def _key(table: ClassTable) -> list[dict[str, str]]:
    """What label pictures show: name and swatch of each class, of void and of what means no class."""
    void = ", ".join(entry.name for entry in table.void)
    named = [(i, name) for i, name in enumerate(table.names)]
    named += [(VOID_ID, f"void (no truth{f': {void}' if void else ''})"), (UNKNOWN_ID, "a colour or value of no class")]
    swatch = (SWATCH, SWATCH)
    return [{"name": name, "uri": thumbnails.ids_uri(np.full(swatch, i, np.uint8), table)} for i, name in named]


def _around(row: int, col: int, height: int, width: int) -> Window:
    """A window of at most `CROP` pixels a side around a place, inside the tile."""
    rows, cols = min(CROP, height), min(CROP, width)
    top = min(max(row - rows // 2, 0), height - rows)
    left = min(max(col - cols // 2, 0), width - cols)
    return Window(top, left, rows, cols)
