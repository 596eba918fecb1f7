"""The drift of a folder of statistics for the report: a document to show, whatever is there."""

from pathlib import Path
from typing import Any

from components.errors import EosegError
from serving.drift.document import as_document
from serving.drift.map_statistics import statistics_files
from serving.drift.of_folder import Chosen, drift_of_folder


def drift_section(folder: Path, reference: Path, version: int | None = None) -> dict[str, Any] | None:
    """What a page shows of drift.

    Args:
        folder: Of the statistics; it may be missing.
        reference: As `drift_of_folder`: for instance `MODEL_BASE/NAME`.
        version: Whose maps; None takes the newest that has made one.

    Returns:
        `as_document`, whose `rows` make a table; only `notes` where the maps cannot be compared; None where none is.
    """
    if not folder.is_dir() or not statistics_files(folder):
        return None
    try:
        return as_document(drift_of_folder(folder, reference, Chosen(version=version)))
    except EosegError as error:
        return {"rows": [], "notes": [error.problem]}
