"""Reads what the Evaluator wrote: figures overall and by tile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluation.eval_config import BASELINE, CANDIDATE
from components.evaluation.figures import OVERALL_ACCURACY
from components.evaluation.tfma_metrics import ERODED_MATRIX_FIGURE, MATRIX_FIGURE
from components.file_systems import load_file_system


@dataclass(frozen=True)
class Evaluation:
    """One model's evaluation.

    Attributes:
        figures: Of the whole split, by name; NaN where absent.
        confusion: `(K, K)` counts of the whole split.
        by_tile: The same figures for each tile.
        confusion_by_tile: The same matrix for each tile.
        eroded_confusion_by_tile: The same for each tile.
        eroded_confusion: `(K, K)` without the pixels at class boundaries.
        blessed_figures: Of the latest blessed model on the same records, None where there was none.
    """

    figures: dict[str, float]
    confusion: NDArray[np.float64]
    by_tile: dict[str, dict[str, float]]
    confusion_by_tile: dict[str, NDArray[np.float64]]
    blessed_figures: dict[str, float] | None
    eroded_confusion: NDArray[np.float64] | None = None
    eroded_confusion_by_tile: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether not one pixel was counted."""
        return math.isnan(self.figures.get(OVERALL_ACCURACY, math.nan))


def read_evaluation(evaluation_uri: str) -> Evaluation:
    """Reads a `ModelEvaluation` artifact.

    Raises:
        DataError: If it holds no figures of the whole split.
    """
    load_file_system(evaluation_uri)
    scalars: dict[tuple[str, str], dict[str, float]] = {}
    matrices: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    for slice_metrics in tfma.load_metrics(evaluation_uri):
        keys = slice_metrics.slice_key.single_slice_keys
        tile = keys[0].bytes_value.decode() if keys else ""
        for item in slice_metrics.metric_keys_and_values:
            if item.key.is_diff:
                continue
            place = (item.key.model_name or CANDIDATE, tile)
            if item.key.name in (MATRIX_FIGURE, ERODED_MATRIX_FIGURE):
                matrices[(item.key.name, *place)] = _array(item.value)
            elif item.value.HasField("double_value"):
                scalars.setdefault(place, {})[item.key.name] = item.value.double_value.value
    if (CANDIDATE, "") not in scalars or (MATRIX_FIGURE, CANDIDATE, "") not in matrices:
        raise DataError(
            f"{evaluation_uri} holds no figures of the whole split",
            "an evaluation of at least one record",
            "delete the run's folder and run again",
        )
    return Evaluation(
        figures=scalars[CANDIDATE, ""],
        confusion=matrices[MATRIX_FIGURE, CANDIDATE, ""],
        eroded_confusion=matrices.get((ERODED_MATRIX_FIGURE, CANDIDATE, "")),
        by_tile={tile: row for (model, tile), row in sorted(scalars.items()) if tile and model == CANDIDATE},
        confusion_by_tile=_by_tile(matrices, MATRIX_FIGURE),
        eroded_confusion_by_tile=_by_tile(matrices, ERODED_MATRIX_FIGURE),
        blessed_figures=scalars.get((BASELINE, "")),
    )


def _by_tile(
    matrices: Mapping[tuple[str, str, str], NDArray[np.float64]], wanted: str
) -> dict[str, NDArray[np.float64]]:
    return {
        tile: matrices[name, model, tile]
        for name, model, tile in sorted(matrices)
        if tile and model == CANDIDATE and name == wanted
    }


def _array(value: object) -> NDArray[np.float64]:
    flat = np.asarray(value.array_value.float64_values, np.float64)  # type: ignore[attr-defined]
    side = round(len(flat) ** 0.5)
    return flat.reshape(side, side)
