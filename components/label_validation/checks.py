"""The checks themselves: pure judgements over headers and tallies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from components.classes import ClassTable
from components.errors import EosegError, LabelError, MissingFileError, RasterError
from components.geo.bands import BandSet
from components.geo.geotiff import RasterReader
from components.geo.image import ImageReader, open_image
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from components.label_validation.findings import Finding
from components.label_validation.tally import LabelTally, tally_label
from components.options import Options
from components.tile_source import SPLITS, TileSource


class ValidationOptions(Options):
    """Budgets of the label checks; shares are 0 to 1 of a tile's pixels."""

    max_off_palette_share: float = Field(default=0.0, ge=0, le=1)
    """More pixels of colours that are in no class stop the run; up to it they become void, with a warning."""
    max_void_share: float = Field(default=0.95, ge=0, le=1)
    """A tile with more void is warned about."""
    max_misplacement_px: float = Field(default=0.5, ge=0)
    """How far the corners of image and label may lie apart, in image pixels."""
    max_imbalance: float = Field(default=1000.0, gt=1)
    """The most frequent class may have this many times the training pixels of the rarest before a warning."""


@dataclass(frozen=True)
class TileReport:
    """What was found in one tile; `tally` is None where the label could not be read."""

    source: TileSource
    findings: tuple[Finding, ...]
    tally: LabelTally | None


def check_tile(
    source: TileSource, bands: BandSet, table: ClassTable, decoder: LabelDecoder, options: ValidationOptions
) -> TileReport:
    """Opens a tile's pair, compares the headers, reads image and label once. Never raises for bad input."""
    findings: list[Finding] = []
    try:
        with open_image(source.all_rasters, bands) as image, decoder.open(source, image.grid) as label:
            findings += check_pair(source, image, label.raster, options)
            _read_through(image)
            tally = tally_label(label, label.raster.grid, len(table))
    except EosegError as error:
        findings.append(_of_error(error, source))
        return TileReport(source, tuple(findings), None)
    findings += check_tally(source, tally, options)
    return TileReport(source, tuple(findings), tally)


def check_pair(
    source: TileSource, image: ImageReader, label: RasterReader, options: ValidationOptions
) -> list[Finding]:
    """Whether image and label cover the same pixels of the same ground."""
    findings = []
    if (image.height, image.width) != (label.height, label.width):
        findings.append(
            Finding(
                code="label-size",
                severity="error",
                tile=source.tile,
                file=source.label,
                found=f"the label is {label.height} x {label.width} pixels (height x width), "
                f"the image {image.height} x {image.width}",
                expected="the same size",
                remedy=f"crop or warp the label onto the image's grid (nearest neighbour): {source.image}",
            )
        )
    # Labels often come without a georeference (ISPRS Potsdam, plain PNG): then the pixel grid alone is compared.
    if not image.georeference.crs or not label.georeference.crs:
        return findings
    if image.crs != label.crs:
        findings.append(
            Finding(
                code="label-crs",
                severity="error",
                tile=source.tile,
                file=source.label,
                found=f"the label's coordinate system is {label.crs_name}, the image's {image.crs_name}",
                expected="the same coordinate system",
                remedy="warp the label to the image's coordinate system (gdalwarp -r near -t_srs ...)",
            )
        )
        return findings
    misplacement = max(
        abs(image_ground - label_ground) / pixel
        for corner in ((0, 0), (image.width, image.height))
        for image_ground, label_ground, pixel in zip(
            image.georeference.transform @ corner,
            label.georeference.transform @ corner,
            (abs(image.georeference.transform.a), abs(image.georeference.transform.e)),
            strict=True,
        )
    )
    if misplacement > options.max_misplacement_px:
        findings.append(
            Finding(
                code="label-place",
                severity="error",
                tile=source.tile,
                file=source.label,
                found=f"label and image lie {misplacement:.2f} pixels apart on the ground",
                expected=f"at most {options.max_misplacement_px:g} pixels (validation.max_misplacement_px)",
                remedy="correct the transform of one of them, or warp the label onto the image's grid",
            )
        )
    return findings


def check_tally(source: TileSource, tally: LabelTally, options: ValidationOptions) -> list[Finding]:
    """Whether a tile's colours and its share of void are within their budgets."""
    findings = []
    if tally.unknown:
        share = tally.unknown / tally.pixels
        allowed = options.max_off_palette_share
        colors = ", ".join(
            f"{c.color[0]},{c.color[1]},{c.color[2]} ({c.pixels:,} px, first at row {c.row}, column {c.col})"
            for c in tally.unknown_colors
        )
        findings.append(
            Finding(
                code="off-palette",
                severity="error" if share > allowed else "warning",
                tile=source.tile,
                file=source.label,
                found=f"{tally.unknown:,} pixels ({share:.4%}) have colours that are in no class: {colors}",
                expected=f"at most {allowed:.4%} (validation.max_off_palette_share); they become void",
                remedy="add the colours to `classes` or `void`, repair the label, or raise the budget",
                place=f"row {tally.unknown_colors[0].row}, column {tally.unknown_colors[0].col}",
            )
        )
    void = (tally.void + tally.unknown) / tally.pixels
    if void > options.max_void_share:
        findings.append(
            Finding(
                code="void-share",
                severity="warning",
                tile=source.tile,
                file=source.label,
                found=f"{void:.1%} of the label is void",
                expected=f"at most {options.max_void_share:.1%} (validation.max_void_share)",
                remedy="leave the tile out (`exclude`) or complete its label",
            )
        )
    return findings


def check_data_set(reports: Sequence[TileReport], table: ClassTable, options: ValidationOptions) -> list[Finding]:
    """What only shows over all tiles: empty splits, classes absent from a split, imbalance."""
    findings = []
    by_split: Mapping[str, list[TileReport]] = {
        split: [report for report in reports if report.source.split == split] for split in SPLITS
    }
    for split, members in by_split.items():
        if split != "test" and not members:
            findings.append(
                _of_data_set("empty-split", "error", f"split {split} has no tile", "at least one tile in train and "
                             "in eval", f"list tiles under splits.{split}")
            )  # fmt: skip
        totals = [sum(r.tally.by_class[i] for r in members if r.tally) for i in range(len(table))]
        if not members or any(report.tally is None for report in members):
            continue
        for name, total in zip(table.names, totals, strict=True):
            if total == 0:
                findings.append(
                    _of_data_set(
                        "class-absent",
                        "error" if split == "train" else "warning",
                        f"class {name} has no pixel in split {split}",
                        "every class in every split",
                        f"move a tile that holds {name} into {split}, or take the class out of `classes`",
                    )
                )
        if split == "train" and min(totals) and max(totals) / min(totals) > options.max_imbalance:
            rarest = table.names[totals.index(min(totals))]
            most_frequent = table.names[totals.index(max(totals))]
            findings.append(
                _of_data_set(
                    "imbalance",
                    "warning",
                    f"class {most_frequent} has {max(totals) / min(totals):,.0f} times the training pixels of {rarest}",
                    f"at most {options.max_imbalance:,.0f} times (validation.max_imbalance)",
                    f"add tiles with {rarest}, or merge it into another class",
                )
            )
    return findings


def _read_through(image: ImageReader) -> None:
    """Reads every pixel of the image once, so that a truncated file is found before training."""
    rows = max(1, 8_000_000 // image.width)
    for row in range(0, image.height, rows):
        image.read(Window(row, 0, min(rows, image.height - row), image.width))


def _of_error(error: EosegError, source: TileSource) -> Finding:
    code = {MissingFileError: "missing-file", RasterError: "unreadable", LabelError: "unusable-label"}
    file = next((f for f in (source.label, source.image) if f in error.problem), "")
    return Finding(
        code=code.get(type(error), "unusable"),
        severity="error",
        tile=source.tile,
        file=file,
        found=error.problem,
        expected=error.expected,
        remedy=error.remedy,
    )


def _of_data_set(code: str, severity: str, found: str, expected: str, remedy: str) -> Finding:
    return Finding.model_validate(
        {"code": code, "severity": severity, "tile": "", "file": "", "found": found, "expected": expected,
         "remedy": remedy}
    )  # fmt: skip
