"""Patterns with named fields (`{tile}/images/part {part}.tif`): what they match, and how they are filled.

Where a pattern is filled, `{row:02}` is the field with zeros before it up to two characters: ISPRS Potsdam names tile
2_10's surface model 02_10.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_FIELD = re.compile(r"\{(\w+)\}")
_FILLED = re.compile(r"\{(\w+)(?::0(\d))?\}")


def fields_of(pattern: str) -> set[str]:
    """The names in a pattern."""
    return {name for name, _ in _FILLED.findall(pattern)}


def fill(pattern: str, fields: Mapping[str, str]) -> str:
    """The pattern with its names replaced; other braces stay as they are."""
    return _FILLED.sub(lambda match: fields[match.group(1)].zfill(int(match.group(2) or 0)), pattern)


def matching(pattern: str, paths: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """The paths that a pattern matches, each with its fields: one or more characters without `/`."""
    shape = _as_regex(pattern)
    return [(path, match.groupdict()) for path in paths if (match := shape.fullmatch(path)) is not None]


def glob(root: Path, pattern: str) -> list[str]:
    """Paths below a local folder that may match, relative to it, sorted."""
    shape = "".join("*" if i % 2 else _glob_escape(part) for i, part in enumerate(_FIELD.split(pattern)))
    return sorted(path.relative_to(root).as_posix() for path in root.glob(shape))


def _as_regex(pattern: str) -> re.Pattern[str]:
    parts = []
    seen: set[str] = set()
    position = 0
    for match in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[position : match.start()]))
        name = match.group(1)
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
        seen.add(name)
        position = match.end()
    return re.compile("".join(parts) + re.escape(pattern[position:]))


def _glob_escape(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
