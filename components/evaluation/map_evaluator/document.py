"""The evaluation of whole tiles as one JSON document, for the report, the model card and people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from components.evaluation.adjusted_areas import INTERVAL_NOTE, adjust_areas, adjusted_area_intervals
from components.evaluation.all_figures import all_figures
from components.evaluation.area_rows import AreaRow, areas_as_documents
from components.evaluation.calibration import reliability_curve
from components.evaluation.counts import EvaluationCounts
from components.evaluation.gate import ViewFigures
from components.evaluation.map_evaluator.options import MapEvaluatorOptions
from components.evaluation.slices import worst_windows
from components.evaluation.tile_products import TileFacts
from components.evaluation.view_figures import all_slices, part_of

FORMAT = "eoseg-map-evaluation"
VERSION = 1


def as_document(
    candidate: EvaluationCounts,
    blessed: EvaluationCounts | None,
    found: ViewFigures,
    facts: Sequence[TileFacts],
    areas: Sequence[AreaRow],
    options: MapEvaluatorOptions,
) -> dict[str, Any]:
    """All figures, intervals, slices, worst windows and areas; NaN, which JSON does not know, is null.

    Args:
        candidate: The counts of the new model.
        blessed: Those of the latest blessed one; None where it is not compared.
        found: The figures of both, and their differences.
        facts: Of each tile.
        areas: By class, of everything, each tile and each zone.
        options: What was asked for.
    """
    classes, bootstrap = options.scored_classes, options.bootstrap
    compared = blessed is not None
    # Zones are left out: a block's figures can be made of its counts where they are wanted.
    slices = {n: p for n, p in all_slices(candidate, classes.names).items() if not n.startswith("zone/")}
    curve = reliability_curve(candidate.reliability.sum(axis=0))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "view": "tiles",
        "classes": list(classes.names),
        "scored": [classes.names[i] for i in classes.scored_ids],
        "ignored": list(options.ignored),
        "counting": options.tiles.counting.model_dump(mode="json"),
        "prediction": options.tiles.maps.model_dump(mode="json"),
        "bootstrap": bootstrap.model_dump(mode="json"),
        "confusion": candidate.confusion.sum(axis=0).tolist(),
        "eroded_confusion": candidate.eroded.sum(axis=0).tolist(),
        "figures": {name: asdict(interval) for name, interval in bootstrap.intervals(candidate, classes).items()},
        "blessed_figures": dict(found.blessed) if compared and found.blessed is not None else None,
        "differences": {name: asdict(difference) for name, difference in found.differences.items()} or None,
        "not_compared": None if compared else found.not_compared,
        "slices": {name: all_figures(part_of(candidate, places), classes) for name, places in slices.items()},
        "reliability": {key: getattr(curve, key).tolist() for key in ("edges", "pixels", "confidence", "accuracy")},
        "worst": [
            {**asdict(worst), "error_share": worst.error_share}
            for worst in worst_windows(
                candidate, {of_tile.tile: of_tile.shape for of_tile in facts}, ignored_ids=classes.ignored_ids
            )
        ],
        "areas": _areas(candidate, facts, options),
        "places": areas_as_documents(areas),
        "tiles": [asdict(of_tile) for of_tile in facts],
    }
    plain: dict[str, Any] = _without_nan(document)
    return plain


def _areas(counts: EvaluationCounts, facts: Sequence[TileFacts], options: MapEvaluatorOptions) -> dict[str, Any] | None:
    """Mapped and adjusted areas of each class in square metres; None where a tile's ground is not known."""
    grounds = [of_tile.mapped_square_metres for of_tile in facts if of_tile.mapped_square_metres is not None]
    if not grounds or len(grounds) < len(facts):
        return None
    names, bootstrap = options.table.names, options.bootstrap
    mapped = np.sum(np.asarray(grounds, np.float64), axis=0)
    adjusted = adjust_areas(counts.confusion.sum(axis=0), mapped)
    units = bootstrap.units_of(counts).confusion
    intervals = adjusted_area_intervals(units, mapped, names, seed=bootstrap.seed, resamples=bootstrap.resamples)
    rows = {
        name: {
            "mapped_square_metres": float(mapped[i]),
            "adjusted_square_metres": float(adjusted.area[i]),
            "low": intervals[name].low,
            "high": intervals[name].high,
            "users_accuracy": float(adjusted.users_accuracy[i]),
            "producers_accuracy": float(adjusted.producers_accuracy[i]),
        }
        for i, name in enumerate(names)
    }
    return {"classes": rows, "units": len(units), "note": INTERVAL_NOTE}


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return value
