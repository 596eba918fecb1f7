"""What the validator found: one finding, one place, one remedy."""

from collections import Counter
from collections.abc import Mapping, Sequence

from components.label_validation.codes import CODES, SEVERITIES, Severity
from components.label_validation.options import Budget
from components.options import Options
from components.tile_source import TileSource

MOST_TILES = 5
"""Tiles that are named where the same is found of several."""


class Finding(Options):
    """One thing that was found.

    Attributes:
        code: Stable and meant for machines (`label-size`); one of `components.label_validation.codes.CODES`.
        severity: After the budgets.
        tile: The tile's id; empty where the data set as a whole is meant.
        file: The file that is wrong, or empty.
        found, expected, remedy: In words.
        place: Where in the tile or on the ground, in words, or empty.
        row, col: The same in tile pixels, or None.
        other_tile: The second tile of a pair, or empty.
    """

    code: str
    severity: Severity
    tile: str
    file: str
    found: str
    expected: str
    remedy: str
    place: str = ""
    row: int | None = None
    col: int | None = None
    other_tile: str = ""


def finding_of(
    code: str,
    source: TileSource | None,
    *,
    found: str,
    expected: str,
    remedy: str,
    file: str = "",
    severity: Severity | None = None,
    place: str = "",
    at: tuple[int, int] | None = None,
    other_tile: str = "",
) -> Finding:
    """A finding of a code; its severity is the code's own unless one is given.

    Args:
        code: One of `CODES`.
        source: The tile; None is the data set as a whole.
        found, expected, remedy, file, place, other_tile: See `Finding`.
        severity: Instead of the code's own.
        at: (row, col) of the place in tile pixels.
    """
    row, col = at if at is not None else (None, None)
    return Finding(
        code=code,
        severity=severity or CODES[code].severity,
        tile=source.tile if source else "",
        file=file,
        found=found,
        expected=expected,
        remedy=remedy,
        place=place or ("" if at is None else f"row {row}, column {col}"),
        row=row,
        col=col,
        other_tile=other_tile,
    )


def in_blocks(findings: Sequence[Finding], blocks: Mapping[str, Sequence[TileSource]]) -> list[Finding]:
    """The findings; those with a place in a ground block name that block, too.

    Args:
        findings: What was found, by tiles.
        blocks: Tile id -> its ground blocks.
    """
    return [_in_block(finding, blocks.get(finding.tile, ())) for finding in findings]


def _in_block(finding: Finding, blocks: Sequence[TileSource]) -> Finding:
    if finding.row is None or finding.col is None:
        return finding
    for block in blocks:
        area = block.area
        if (
            area is not None
            and block.tile != finding.tile
            and area.row <= finding.row < area.row_stop
            and area.col <= finding.col < area.col_stop
        ):
            name = block.tile.removeprefix(f"{finding.tile}/")
            place = (
                f"{finding.place}, in block {name} ({block.split}; rows {area.row} to {area.row_stop - 1}, columns "
                f"{area.col} to {area.col_stop - 1})"
            )
            return finding.model_copy(update={"place": place})
    return finding


def apply_budgets(findings: Sequence[Finding], budgets: Mapping[str, Budget]) -> list[Finding]:
    """The findings with the severities that the configuration gives them; see `Budget`."""
    counts = Counter(finding.code for finding in findings)
    judged = []
    for finding in findings:
        budget = budgets.get(finding.code)
        if budget is None:
            judged.append(finding)
            continue
        severity = budget.severity or finding.severity
        if severity == "off":
            continue
        if counts[finding.code] <= budget.at_most:
            severity = SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 1)]
        judged.append(finding.model_copy(update={"severity": severity}))
    return judged


def most_severe_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors, then warnings, then the rest; by tile, code and text within, so that reports do not depend on workers."""
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.tile, f.code, f.found))


def as_text(findings: Sequence[Finding], most: int | None = None) -> str:
    """The findings for a person to read, most severe first; ends with counts by code and by severity.

    Args:
        findings: What was found. What is said of several tiles in the same words stands once.
        most: Of one code and severity, so many are written out, and the number of the others; None writes out all.
    """
    lines = []
    said: Counter[tuple[str, str]] = Counter()
    left_out: dict[tuple[str, str], int] = {}
    for alike in _in_the_same_words(most_severe_first(findings)):
        finding = alike[0]
        kind = (finding.code, finding.severity)
        said[kind] += 1
        if most is not None and said[kind] > most:
            left_out[kind] = left_out.get(kind, 0) + len(alike)
            continue
        # `found` often names the place of what it counts.
        place = f" ({finding.place})" if finding.place and finding.place not in finding.found else ""
        tile = _tiles([one.tile for one in alike]) if finding.tile else "data set"
        lines.append(f"{finding.severity.upper()} [{finding.code}] {tile}: {finding.found}{place}")
        if finding.file:
            lines.append(f"    file:     {finding.file}")
        lines.append(f"    expected: {finding.expected}")
        lines.append(f"    to fix:   {finding.remedy}")
    for (code, severity), count in left_out.items():
        lines.append(f"{severity.upper()} [{code}] {count} more like these (the JSON report has all)")
    if findings:
        lines += ["", *_table(findings), ""]
    counts = Counter(finding.severity for finding in findings)
    total = ", ".join(f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}" for severity in SEVERITIES)
    return "\n".join([*lines, total]) + "\n"


def _in_the_same_words(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings that differ in nothing but their tile, together, each group at the place of its first."""
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.model_copy(update={"tile": "any" if finding.tile else ""}), []).append(finding)
    return list(groups.values())


def _tiles(names: Sequence[str]) -> str:
    """`tile a`, or `tiles a, b, c and 4 more`."""
    if len(names) == 1:
        return f"tile {names[0]}"
    named, others = names[:MOST_TILES], len(names) - MOST_TILES
    return f"tiles {', '.join(named)}" + (f" and {others} more" if others > 0 else "")


def _table(findings: Sequence[Finding]) -> list[str]:
    """Findings of each code by severity, aligned; in the order of `CODES`."""
    counts = Counter((finding.code, finding.severity) for finding in findings)
    found = [code for code in CODES if any(counts[code, severity] for severity in SEVERITIES)]
    width = max(len(code) for code in (*found, "code"))
    header = f"{'code':<{width}}" + "".join(f"{severity:>9}" for severity in SEVERITIES)
    rows = [
        f"{code:<{width}}" + "".join(f"{counts[code, severity] or '':>9}" for severity in SEVERITIES) for code in found
    ]
    return [header, *rows]
