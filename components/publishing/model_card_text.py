"""Plain text, lists and tables as Markdown that shows them as they are.

Escaped is what CommonMark (https://spec.commonmark.org/0.31.2/, section 2.4) and GitHub's tables would read as markup.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

NOT_KNOWN = "not known"

# An underscore inside a word (mean_iou) is no emphasis.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START = re.compile(r"^(?:[-+=](?!\d)|#)|^\d+(?=[.)](?:\s|$))")


def line(text: object) -> str:
    """Text for one line or one table cell: whitespace joined, unprintable characters gone, markup escaped."""
    joined = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    escaped = _SPECIAL.sub(r"\\\g<0>", joined)
    # A list's number is kept from being one by a backslash before its dot, all else by one before it.
    return _LINE_START.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", escaped)


def paragraph(text: str) -> str:
    """Text of several lines: blank lines part paragraphs, all else is escaped."""
    return "\n\n".join(shown for part in re.split(r"\n\s*\n", text) if (shown := line(part)))


def bullets(title: str, entries: Iterable[str]) -> str:
    """A list under a line; empty where there is no entry."""
    lines = [f"- {line(entry)}" for entry in entries]
    return "\n".join([title, "", *lines]) if lines else ""


def facts(rows: Mapping[str, object]) -> str:
    """Names with what they stand for; what is None or empty is not known."""
    return "\n".join(f"- **{name}:** {line(value or NOT_KNOWN)}" for name, value in rows.items())


def table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of GitHub's Markdown."""
    shown = [list(map(line, heads)), ["---"] * len(heads), *(list(map(line, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)
