"""Gathers what a run's artifacts say of a model, for its card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable
from components.contract import CONTRACT_FILE, ModelContract
from components.evaluation.all_figures import eroded_figure
from components.evaluation.bootstrap import bootstrap_intervals
from components.evaluation.figures import figure_arrays
from components.evaluation.gate_verdicts import GATES_FILE
from components.evaluation.map_evaluator.files import read_map_evaluation
from components.evaluation.verdict import Evaluation, read_evaluation
from components.file_systems import read_text
from components.publishing.code_revision import code_revision, package_versions
from components.publishing.model_card import CardEvidence


@dataclass(frozen=True)
class EvidencePlaces:
    """Where to look; what is None is not known.

    Attributes:
        evaluation: The `ModelEvaluation` artifact, of the patch records.
        map_evaluation: The `MapEvaluation` artifact, of whole tiles.
        blessing: The `ModelBlessing` artifact with `gates.json`.
        label_report: The label validator's JSON file.
        history: The trainer's JSON file.
        settings: The trainer's JSON file of what it trained with.
    """

    evaluation: str | None = None
    map_evaluation: str | None = None
    blessing: str | None = None
    label_report: str | None = None
    history: str | None = None
    settings: str | None = None


def read_evidence(saved_model: Path, places: EvidencePlaces, provenance: Mapping[str, Any], split: str) -> CardEvidence:
    """Reads everything that there is.

    Args:
        saved_model: The exported model, in a local folder.
        places: Where the rest is.
        provenance: What the pipeline remembers beside the model.
        split: The evaluated one.

    Raises:
        DataError: If an evaluation is named and is none.
    """
    contract = _contract(saved_model)
    patches = None
    if places.evaluation is not None and contract is not None:
        patches = patch_section(read_evaluation(places.evaluation), contract.table, split)
    gates = _json(None if places.blessing is None else f"{places.blessing}/{GATES_FILE}")
    return CardEvidence(
        contract=contract,
        provenance=provenance,
        code=asdict(code_revision()),
        packages=package_versions(),
        patches=patches,
        tiles=None if places.map_evaluation is None else read_map_evaluation(places.map_evaluation).document,
        gates=gates,
        label_report=_json(places.label_report) or {},
        history=_json(places.history) or (),
        settings=_json(places.settings),
    )


def patch_section(evaluation: Evaluation, table: ClassTable, split: str) -> dict[str, Any]:
    """The part `patches` of a card: figures with the intervals of a bootstrap over tiles (or ground blocks).

    Args:
        evaluation: Of the patch records.
        table: The classes.
        split: The evaluated one.
    """
    intervals = _intervals(evaluation.confusion_by_tile, evaluation.confusion, table)
    if evaluation.eroded_confusion is not None:
        eroded = _intervals(evaluation.eroded_confusion_by_tile, evaluation.eroded_confusion, table)
        intervals |= {eroded_figure(name): interval for name, interval in eroded.items()}
    others = {
        name: {"value": value, "low": None, "high": None, "units": 0}
        for name, value in evaluation.figures.items()
        if name not in intervals
    }
    return {
        "split": split,
        "figures": {**intervals, **others},
        "confusion": evaluation.confusion.astype(np.int64).tolist(),
        "blessed_figures": evaluation.blessed_figures,
    }


def _intervals(
    by_tile: Mapping[str, NDArray[np.float64]], summed: NDArray[np.float64], table: ClassTable
) -> dict[str, dict[str, Any]]:
    """Figures of matrices with their intervals; none where the tiles were not counted apart."""
    units = np.array([by_tile[tile] for tile in sorted(by_tile)] or [summed])

    def figures_of(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return figure_arrays(sums, table.names, table.scored_ids)

    return {name: asdict(interval) for name, interval in bootstrap_intervals(units, figures_of).items()}


def _contract(saved_model: Path) -> ModelContract | None:
    text = read_text(str(saved_model / "assets.extra" / CONTRACT_FILE))
    return ModelContract.model_validate_json(text) if text else None


def _json(path: str | None) -> Any:
    text = None if path is None else read_text(path)
    return json.loads(text) if text else None
