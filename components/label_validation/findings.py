"""What the validator found: one finding, one place, one remedy."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from components.options import Options

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Finding(Options):
    """One thing that was found.

    `code` is stable and meant for machines (`label-size`); `place` says where in the file, or is empty.
    """

    code: str
    severity: Severity
    tile: str
    file: str
    found: str
    expected: str
    remedy: str
    place: str = ""


def most_severe_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors, then warnings, then the rest; by tile, code and text within, so that reports do not depend on workers."""
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.tile, f.code, f.found))


def as_text(findings: Sequence[Finding]) -> str:
    """The findings for a person to read, most severe first; ends with a count by severity."""
    lines = []
    for finding in most_severe_first(findings):
        place = f" ({finding.place})" if finding.place else ""
        tile = f"tile {finding.tile}" if finding.tile else "data set"
        lines.append(f"{finding.severity.upper()} [{finding.code}] {tile}: {finding.found}{place}")
        if finding.file:
            lines.append(f"    file:     {finding.file}")
        lines.append(f"    expected: {finding.expected}")
        lines.append(f"    to fix:   {finding.remedy}")
    counts = Counter(finding.severity for finding in findings)
    total = ", ".join(f"{counts[severity]} {severity}{'s' * (counts[severity] != 1)}" for severity in SEVERITIES)
    return "\n".join([*lines, total]) + "\n"
