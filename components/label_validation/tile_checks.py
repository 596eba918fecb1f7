"""Checks of one tile by itself: facts in, findings out."""

from components.label_validation.facts import RasterFacts, TileFacts
from components.label_validation.findings import Finding, finding_of
from components.label_validation.image_checks import check_image
from components.label_validation.options import ValidationOptions
from components.label_validation.shift import REACH, chance

LEAST_EXCESS = 0.1
"""By how much the image must be steeper under the moved label's edges than anywhere, before a shift is believed."""
MOST_EXCESS_HERE = 0.5
"""The share of it that a label in its place has at least."""


def check_tile(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """What is wrong with a tile, as far as the tile alone shows it."""
    return [
        *check_problem(facts),
        *check_pair(facts, options),
        *check_resolution(facts, options),
        *check_shift(facts, options),
        *check_tally(facts, options),
        *check_image(facts, options),
    ]


def check_problem(facts: TileFacts) -> list[Finding]:
    """`missing-file`, `unreadable`, `unusable-label`, `unusable`: why the tile could not be read."""
    problem = facts.problem
    if problem is None:
        return []
    return [
        finding_of(
            problem.code,
            facts.source,
            file=problem.file,
            found=problem.found,
            expected=problem.expected,
            remedy=problem.remedy,
        )
    ]


def check_pair(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """`label-size`, `label-crs`, `label-place`: whether image and label cover the same pixels of the same ground."""
    image, label, source = facts.image, facts.label, facts.source
    if image is None or label is None or facts.label_is_resampled:
        return []
    file = source.label_files[0]
    findings = []
    if (image.height, image.width) != (label.height, label.width):
        findings.append(
            finding_of(
                "label-size",
                source,
                file=file,
                found=f"the label is {label.height} x {label.width} pixels (height x width), "
                f"the image {image.height} x {image.width}",
                expected="the same size",
                remedy="crop or warp the label onto the image's grid (nearest neighbour), or set labels.resample: "
                f"true: {source.image}",
            )
        )
    # Labels often come without a georeference (ISPRS Potsdam, plain PNG): then the pixel grid alone is compared.
    if not image.wkt or not label.wkt:
        return findings
    if facts.crs_differ:
        findings.append(
            finding_of(
                "label-crs",
                source,
                file=file,
                found=f"the label's coordinate system is {label.crs}, the image's {image.crs}",
                expected="the same coordinate system",
                remedy="warp the label to the image's coordinate system (gdalwarp -r near -t_srs ...), or set "
                "labels.resample: true",
            )
        )
        return findings
    misplacement = misplacement_px(image, label)
    if misplacement > options.max_misplacement_px:
        findings.append(
            finding_of(
                "label-place",
                source,
                file=file,
                found=f"label and image lie {misplacement:.2f} pixels apart on the ground",
                expected=f"at most {options.max_misplacement_px:g} pixels (validation.max_misplacement_px)",
                remedy="correct the transform of one of them, or warp the label onto the image's grid "
                "(labels.resample: true)",
            )
        )
    return findings


def misplacement_px(image: RasterFacts, label: RasterFacts) -> float:
    """How far the image's corners lie from the label's, in image pixels along rows and columns, whichever is more.

    The label's corners are brought to the image's pixels by the inverse of its transform, so that rotated and
    south-up transforms are measured along their own rows and columns.
    """
    to_pixels = ~image.affine @ label.affine
    corners = [(x, y) for x in (0, image.width) for y in (0, image.height)]
    return float(max(abs(a - b) for corner in corners for a, b in zip(to_pixels @ corner, corner, strict=True)))


def check_resolution(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """`resolution-mismatch`, `resampled-raster`: what is not delivered on the image's grid."""
    findings = []
    image, label, source = facts.image, facts.label, facts.source
    if image and label and facts.label_is_resampled:
        ratio = _pixel_ratio(image, label)
        if ratio > options.max_resolution_ratio:
            findings.append(
                finding_of(
                    "resolution-mismatch",
                    source,
                    file=source.label_files[0],
                    found=f"the pixels of label and image differ by a factor of {ratio:.2f}",
                    expected=f"at most {options.max_resolution_ratio:g} (validation.max_resolution_ratio)",
                    remedy="use labels of the image's resolution: resampled ones have stairs at their edges, or lose "
                    "what is small",
                )
            )
    if facts.resampled:
        findings.append(
            finding_of(
                "resampled-raster",
                source,
                found=f"{', '.join(facts.resampled)} is resampled onto the grid of {source.image}",
                expected="co-registered rasters, for the sharpest bands and the fastest ingest",
                remedy="nothing, or warp it beforehand",
            )
        )
    return findings


def _pixel_ratio(image: RasterFacts, label: RasterFacts) -> float:
    """The larger of both factors between pixel sides; by numbers of pixels where there are no ground coordinates."""
    if image.pixel_size_m and label.pixel_size_m:
        ratios = [a / b for a, b in zip(image.pixel_size_m, label.pixel_size_m, strict=True)]
    else:
        ratios = [label.height / image.height, label.width / image.width]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


def check_shift(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """`label-shift`: whether the label fits clearly better once it is moved; see `shift` for the statistic."""
    shift = facts.shift
    if shift is None:
        return []
    distance = max(abs(shift.rows), abs(shift.cols))
    if (
        not options.max_label_shift_px < distance < REACH  # at the rim of what was tried, nothing is a maximum
        or shift.excess_best < LEAST_EXCESS
        or shift.excess_here > MOST_EXCESS_HERE * shift.excess_best
        or chance(shift) > options.max_shift_chance
    ):
        return []
    down, right = ("down" if shift.rows >= 0 else "up"), ("right" if shift.cols >= 0 else "left")
    return [
        finding_of(
            "label-shift",
            facts.source,
            file=facts.source.label_files[0],
            found=f"the label fits the image better {abs(shift.rows)} px further {down} and {abs(shift.cols)} px "
            f"further {right}: gradients under its edges are {shift.excess_best:.0%} above the image's average "
            f"there, {shift.excess_here:.0%} where it lies (t = {shift.t:.1f} over {shift.blocks} blocks)",
            expected=f"the best fit within {options.max_label_shift_px:g} px (validation.max_label_shift_px)",
            remedy="move the label, correct its transform or the image's, or check what it was drawn on",
            at=(shift.row, shift.col),
        )
    ]


def check_tally(facts: TileFacts, options: ValidationOptions) -> list[Finding]:
    """`off-palette`, `void-share`: whether the label's values and its void are within their budgets."""
    tally, source = facts.tally, facts.source
    if tally is None:
        return []
    findings = []
    if tally.unknown:
        share = tally.unknown / tally.pixels
        allowed = options.max_off_palette_share
        values = ", ".join(
            f"{v.text} ({v.pixels:,} px, first at row {v.row}, column {v.col})" for v in tally.unknown_values
        )
        first = tally.unknown_values[0]
        findings.append(
            finding_of(
                "off-palette",
                source,
                severity="error" if share > allowed else "warning",
                file=source.label_files[0],
                found=f"{tally.unknown:,} pixels ({share:.4%}) have colours or values that are in no class: {values}",
                expected=f"at most {allowed:.4%} (validation.max_off_palette_share); they become void",
                remedy="add them to `classes`, `void` or `labels`, repair the label, or raise the budget",
                at=(first.row, first.col),
            )
        )
    void = (tally.void + tally.unknown) / tally.pixels
    if void > options.max_void_share:
        findings.append(
            finding_of(
                "void-share",
                source,
                file=source.label_files[0],
                found=f"{void:.1%} of the label is void",
                expected=f"at most {options.max_void_share:.1%} (validation.max_void_share)",
                remedy="leave the tile out (`exclude`) or complete its label",
            )
        )
    return findings
