"""Evaluation counts as bytes (npz) and as text (JSON), and back.

Both hold the same entries:

| entry | holds |
|---|---|
| `format`, `version` | `eoseg-evaluation-counts`, 1 |
| `class_count`, `options` | K, and the fields of `CountingOptions` |
| `tiles` | the tile ids, ascending |
| `units` | `(U, 3)`: index into `tiles`, row and column of the block |
| `confusion`, `eroded` | `(U, K * K)`, rows one after the other, row = truth |
| `boundary` | `(U, K * 4)`: predicted, predicted and matched, true, true and matched |
| `reliability` | `(U, B * 3)`: pixels, right pixels, sum of confidences in millionths |

In the npz the first three rows of this table are one JSON text, `header`. It is compressed, and equal counts give equal
bytes; a 36-megapixel tile in blocks of 512 pixels with six classes takes about 50 KB. JSON is for people and small
counts.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from components.errors import DataError
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit, shapes_of

_FORMAT = "eoseg-evaluation-counts"
_VERSION = 1
_UNITS = "units"
_HEADER = "header"


def to_npz(counts: EvaluationCounts) -> bytes:
    """The counts as a compressed npz file."""
    header, tables = _entries(counts)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{_HEADER: np.array(json.dumps(header))}, **tables)
    return buffer.getvalue()


def from_npz(data: bytes, name: str = "evaluation counts") -> EvaluationCounts:
    """The inverse of `to_npz`.

    Args:
        data: The file's bytes.
        name: Of the file, for errors.

    Raises:
        DataError: If they are no such counts.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            entries = {entry: file[entry] for entry in file.files}
        header = json.loads(str(entries.pop(_HEADER)))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(name, error) from error
    return _counts(header, entries, name)


def to_json(counts: EvaluationCounts) -> str:
    """The counts as JSON text."""
    header, tables = _entries(counts)
    return json.dumps({**header, **{entry: table.tolist() for entry, table in tables.items()}}, separators=(",", ":"))


def from_json(text: str, name: str = "evaluation counts") -> EvaluationCounts:
    """The inverse of `to_json`.

    Raises:
        DataError: If the text holds no such counts.
    """
    try:
        read = json.loads(text)
    except ValueError as error:
        raise _unreadable(name, error) from error
    if not isinstance(read, dict):
        raise _unreadable(name, "no JSON object")
    return _counts(read, read, name)


def _entries(counts: EvaluationCounts) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    tiles = sorted({unit.tile for unit in counts.units})
    place = {tile: i for i, tile in enumerate(tiles)}
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "class_count": counts.class_count,
        "options": counts.options.model_dump(mode="json"),
        "tiles": tiles,
    }
    units = [(place[unit.tile], unit.row, unit.col) for unit in counts.units]
    tables = {_UNITS: np.array(units, np.int64).reshape(-1, 3)}
    tables |= {entry: _flat(array) for entry, array in counts.arrays.items()}
    return header, tables


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


def _counts(header: Mapping[str, Any], tables: Mapping[str, Any], name: str) -> EvaluationCounts:
    if (header.get("format"), header.get("version")) != (_FORMAT, _VERSION):
        raise DataError(
            f"{name} holds {header.get('format')!r}, version {header.get('version')!r}",
            f"{_FORMAT!r}, version {_VERSION}",
            "evaluate again with this EOSeg",
        )
    try:
        options = CountingOptions.model_validate(header["options"])
        tiles = header["tiles"]
        units = tuple(Unit(tiles[tile], int(row), int(col)) for tile, row, col in tables[_UNITS])
        arrays = {
            entry: np.asarray(tables[entry], np.int64).reshape(len(units), *shape)
            for entry, shape in shapes_of(header["class_count"], options).items()
        }
        return EvaluationCounts(header["class_count"], options, units, **arrays)
    except (KeyError, IndexError, TypeError, ValueError, ValidationError) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, reason: object) -> DataError:
    return DataError(f"{name} cannot be read: {reason}", "counts that EOSeg's evaluation wrote", "evaluate again")
