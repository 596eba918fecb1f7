"""Verdicts of gates as a file: `gates.json`, a list with an object a bound; an absent figure is null."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from components.errors import DataError
from components.evaluation.gate import GateVerdict
from components.file_systems import load_file_system, read_text, write_text

GATES_FILE = "gates.json"


def verdicts_as_document(verdicts: Iterable[GateVerdict]) -> list[dict[str, Any]]:
    """Verdicts as JSON can hold them."""
    rows = [asdict(verdict) for verdict in verdicts]
    return [{**row, "value": row["value"] if math.isfinite(row["value"]) else None} for row in rows]


def verdicts_from_document(rows: Iterable[Mapping[str, Any]]) -> list[GateVerdict]:
    """The reverse of `verdicts_as_document`."""
    return [GateVerdict(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in rows]


def write_verdicts(folder: str, verdicts: Sequence[GateVerdict]) -> None:
    """Writes `gates.json` into a folder or an artifact's place in an object store."""
    load_file_system(folder)
    write_text(f"{folder}/{GATES_FILE}", json.dumps(verdicts_as_document(verdicts), indent=1, allow_nan=False))


def read_verdicts(folder: str) -> list[GateVerdict]:
    """Reads `gates.json`.

    Raises:
        DataError: If it is not there.
    """
    load_file_system(folder)
    text = read_text(f"{folder}/{GATES_FILE}")
    if not text:
        raise DataError(f"{folder} holds no {GATES_FILE}", "the verdicts of a run's gates", "run again")
    return verdicts_from_document(json.loads(text))
