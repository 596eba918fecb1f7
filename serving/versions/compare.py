"""Two versions side by side: what they were made of, what they scored, and where they differ."""

import json
from dataclasses import dataclass
from typing import Any

from serving.versions.lineage import Lineage
from serving.versions.listing import VersionRow

_LONGEST = 60


@dataclass(frozen=True)
class Line:
    """One fact of both.

    Attributes:
        section: `version`, `figures`, `tiles`, `parameters`.
        name: What it is.
        a, b: As text.
        difference: b less a, of numbers.
    """

    section: str
    name: str
    a: str
    b: str
    difference: float | None = None


def compare(a: VersionRow, b: VersionRow, of_a: Lineage | None, of_b: Lineage | None) -> list[Line]:
    """What differs, and all figures.

    Args:
        a, b: As listed.
        of_a, of_b: Where they come from, as far as it is known.
    """
    lines = [
        Line("version", name, str(getattr(a, name)), str(getattr(b, name)))
        for name in ("state", "pushed", "data", "code", "size_bytes")
    ]
    lines.insert(1, Line("version", "labels", ", ".join(a.labels), ", ".join(b.labels)))
    for name in dict.fromkeys([*a.figures, *b.figures]):
        values = a.figures.get(name), b.figures.get(name)
        difference = None if values[0] is None or values[1] is None else values[1] - values[0]
        lines.append(Line("figures", name, _number(values[0]), _number(values[1]), difference))
    if of_a is not None and of_b is not None:
        lines += _tiles(of_a, of_b) + _parameters(of_a, of_b)
    return lines


def as_table(lines: list[Line], a: int, b: int) -> str:
    """The lines as text, a section after the other."""
    width = max((len(line.name) for line in lines), default=4)
    columns = [
        max([len(str(v)), *(len(_cut(getattr(line, side))) for line in lines)]) for side, v in (("a", a), ("b", b))
    ]
    shown = [f"{'':{width}}  {a:<{columns[0]}}  {b:<{columns[1]}}  b - a"]
    section = ""
    for line in lines:
        if line.section != section:
            section = line.section
            shown.append(section)
        change = "" if line.difference is None else f"{line.difference:+.4f}"
        text = f"{line.name:{width}}  {_cut(line.a):<{columns[0]}}  {_cut(line.b):<{columns[1]}}  {change}"
        shown.append(text.rstrip())
    return "\n".join(shown)


def _tiles(a: Lineage, b: Lineage) -> list[Line]:
    lines = []
    for split in ("train", "eval", "test"):
        names = [{tile.tile for tile in side.tiles_of(split)} for side in (a, b)]
        lines.append(Line("tiles", split, str(len(names[0])), str(len(names[1])), float(len(names[1]) - len(names[0]))))
        for what, those in ((f"{split}: only in one", names[0] ^ names[1]),):
            if those:
                only_a, only_b = (", ".join(sorted(those & side)) for side in names)
                lines.append(Line("tiles", what, only_a, only_b))
    return lines


def _parameters(a: Lineage, b: Lineage) -> list[Line]:
    """Those that differ; the tiles stand above."""
    flat_a, flat_b = (_flat(side.parameters) for side in (a, b))
    return [
        Line("parameters", name, flat_a.get(name, "none"), flat_b.get(name, "none"))
        for name in dict.fromkeys([*flat_a, *flat_b])
        if flat_a.get(name) != flat_b.get(name) and ".tiles" not in name
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {prefix: value if isinstance(value, str) else json.dumps(value)}
    found: dict[str, str] = {}
    for key, entry in value.items():
        found |= _flat(entry, f"{prefix}.{key}" if prefix else str(key))
    return found


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.4f}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
