"""Reads what the evaluation of whole tiles wrote."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import DataError
from components.evaluation.counts import EvaluationCounts
from components.evaluation.counts_file import from_npz
from components.evaluation.map_evaluator.document import FORMAT
from components.file_systems import load_file_system, local_copy, read_text

CANDIDATE = "candidate"
BLESSED = "blessed"
FIGURES_FILE = "figures.json"
AREAS_FILE = "areas.csv"
TILES_FOLDER = "tiles"


@dataclass(frozen=True)
class MapEvaluationFiles:
    """One model's evaluation on whole tiles.

    Attributes:
        uri: The artifact: `figures.json`, the counts, and `tiles/` with a JSON and an npz a tile.
        document: `figures.json`, as `components.evaluation.map_evaluator.document` writes it.
    """

    uri: str
    document: Mapping[str, Any]


def read_map_evaluation(uri: str) -> MapEvaluationFiles:
    """Reads a `MapEvaluation` artifact.

    Raises:
        DataError: If it holds no figures.
    """
    load_file_system(uri)
    document = json.loads(read_text(f"{uri}/{FIGURES_FILE}") or "{}")
    if document.get("format") != FORMAT:
        raise DataError(
            f"{uri} holds no figures of whole tiles", f"{FIGURES_FILE} there", "delete the run's folder and run again"
        )
    return MapEvaluationFiles(uri, document)


def counts_file(uri: str, model: str) -> str:
    """Where the counts of a model lie: `CANDIDATE` or `BLESSED`."""
    return f"{uri}/{model}_counts.npz"


def read_counts(uri: str, model: str) -> EvaluationCounts:
    """The counts of a model.

    Raises:
        DataError: If they are not there, or are none.
    """
    path = counts_file(uri, model)
    try:
        with local_copy(path) as file:
            return from_npz(file.read_bytes(), path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error}", "the counts of the evaluation", "delete the run's folder and run again"
        ) from error


def copy_areas(files: MapEvaluationFiles, path: Path) -> None:
    """Copies the areas to a local file, whole or not at all; an older one goes where there are none."""
    text = read_text(f"{files.uri}/{AREAS_FILE}")
    if text is None:
        path.unlink(missing_ok=True)
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
