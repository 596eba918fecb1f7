"""Pushed versions in miniature: a contract, a model card, and counts of a few tiles made by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from components.classes import ClassTable, LandClass
from components.contract import CONTRACT_FILE, ModelContract
from components.evaluation.all_figures import ScoredClasses, all_intervals
from components.evaluation.counts import EvaluationCounts, Unit
from components.publishing.model_card import CardEvidence, model_card, write_model_card
from components.publishing.model_card_options import CardRequest
from components.publishing.versions import PROVENANCE_FILE
from tests.components.evaluation.make_counts import make_counts
from tfx_pipeline.report.compare_sources import ViewEvidence

NASTY = '<b>bold</b> & "quoted"'
TABLE = ClassTable(
    classes=(
        LandClass(name="ground", color=(250, 250, 250)),
        LandClass(name=NASTY, color=(0, 0, 255)),
        LandClass(name="lava", color=(255, 0, 0), scored=False),
    )
)
CLASSES = ScoredClasses(TABLE.names, TABLE.scored_ids)
TRUTH = 100
"""Pixels of each class in each tile; lava stands nowhere."""


def counts_of(right: dict[str, int], truth: int = TRUTH) -> EvaluationCounts:
    """Tiles in each of which so many of `truth` pixels of both classes are right."""
    return make_counts(
        {
            Unit(tile): [[hits, truth - hits, 0], [truth - hits, hits, 0], [0, 0, 0]]
            for tile, hits in right.items()
        }
    )  # fmt: skip


def evidence(counts: EvaluationCounts, *, keep_counts: bool = True, classes: ScoredClasses = CLASSES) -> ViewEvidence:
    """A view as the run that counted it shows it; without its counts, as a card does."""
    figures = all_intervals(counts, classes)
    return ViewEvidence(figures, counts.confusion.sum(axis=0), classes, counts if keep_counts else None)


def section(view: ViewEvidence) -> dict[str, Any]:
    """A view as a document: NaN is null."""
    rows = {name: vars(found) for name, found in view.figures.items()}
    plain = {name: {k: None if math.isnan(v) else v for k, v in row.items()} for name, row in rows.items()}
    return {"figures": plain, "confusion": np.asarray(view.confusion).tolist(), "classes": list(TABLE.names)}


def make_version(
    folder: Path, right: dict[str, int], *, card: bool = True, steps: int = 30, found: dict[str, Any] | None = None
) -> Path:
    """Writes a version whose card shows these counts in both views, and training settings that a search found."""
    extra = folder / "assets.extra"
    extra.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    contract = ModelContract(patch_size=32, bands=("red",), dtype="uint8", table=TABLE)
    (extra / CONTRACT_FILE).write_text(contract.model_dump_json())
    provenance = {"data_fingerprint": "same-data", "pipeline": "tiny"}
    (folder / PROVENANCE_FILE).write_text(json.dumps({**provenance, "version": int(folder.name)}))
    if card:
        shown = section(evidence(counts_of(right)))
        area = {"mapped_square_metres": 25_000.0, "adjusted_square_metres": 26_000.0, "low": None, "high": None}
        gate = {"metric": "mean_iou", "bound": "at least 0.4", "value": 0.5, "passed": True, "reason": "reaches 0.4"}
        known = CardEvidence(
            contract=contract,
            provenance=provenance,
            code={"kind": "git", "revision": f"c0de{folder.name}", "modified": False},
            patches=shown,
            tiles={**shown, "areas": {"classes": {"ground": area}, "units": 2, "note": "n"}},
            gates=[gate],
            settings=None if found is None else {"network": {}, "training": found},
        )
        request = CardRequest(split="test", config={"training": {"steps": steps, "note": NASTY}})
        write_model_card(folder, model_card("net", request, known, "2026-01-02"))
    return folder
