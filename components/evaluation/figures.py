"""The figures of a confusion matrix M (row = truth, column = prediction), N = sum of M.

| figure | formula |
|---|---|
| overall accuracy | sum_i M_ii / N |
| kappa (Cohen 1960) | (p_o - p_e) / (1 - p_e), p_o = overall accuracy, p_e = sum_i row_i * column_i / N^2 |
| precision of class i | M_ii / column_i |
| recall of class i | M_ii / row_i |
| F1 of class i | 2 M_ii / (row_i + column_i) |
| IoU of class i (Jaccard) | M_ii / (row_i + column_i - M_ii) |
| mean IoU, mean F1 | mean over the scored classes whose figure is defined |

A ratio whose denominator is zero is NaN: a class that is absent is reported absent, not as 0 or 1.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

OVERALL_ACCURACY = "overall_accuracy"
KAPPA = "kappa"
MEAN_IOU = "mean_iou"
MEAN_F1 = "mean_f1"
PIXELS = "pixels"
SUMMARY_FIGURES = (OVERALL_ACCURACY, KAPPA, MEAN_IOU, MEAN_F1)
CLASS_FIGURES = ("iou", "f1", "precision", "recall", "truth_share")


def class_figure(figure: str, class_name: str) -> str:
    """The name of a class's figure: `iou/building`."""
    return f"{figure}/{class_name}"


def figure_names(class_names: Sequence[str]) -> list[str]:
    """The names of all figures that `figures` gives."""
    per_class = [class_figure(figure, name) for figure in CLASS_FIGURES for name in class_names]
    return [*SUMMARY_FIGURES, PIXELS, *per_class]


def figures(matrix: ArrayLike, class_names: Sequence[str], scored_ids: Sequence[int]) -> dict[str, float]:
    """All figures of a confusion matrix, by name.

    Args:
        matrix: `(K, K)` counts.
        class_names: K names, in id order.
        scored_ids: The classes that means are taken over.

    Returns:
        Fractions 0 to 1 (kappa -1 to 1), `pixels` a count; NaN where a figure is not defined.

    Raises:
        ValueError: If the matrix is not K x K.
    """
    counts = np.asarray(matrix, np.float64)
    class_count = len(class_names)
    if counts.shape != (class_count, class_count):
        raise ValueError(f"the matrix has shape {counts.shape}; {class_count} classes need ({class_count}, ...)")
    hits, truth, predicted, total = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    accuracy = _ratio(hits.sum(), total)
    by_chance = _ratio((truth * predicted).sum(), total * total)
    per_class = {
        "iou": _ratio(hits, truth + predicted - hits),
        "f1": _ratio(2 * hits, truth + predicted),
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, truth),
        "truth_share": _ratio(truth, np.full_like(truth, total)),
    }
    scored = list(scored_ids)
    named = {
        OVERALL_ACCURACY: float(accuracy),
        KAPPA: float(_ratio(accuracy - by_chance, 1 - by_chance)),
        MEAN_IOU: _mean(per_class["iou"][scored]),
        MEAN_F1: _mean(per_class["f1"][scored]),
        PIXELS: float(total),
    }
    for figure, values in per_class.items():
        named |= {class_figure(figure, name): float(value) for name, value in zip(class_names, values, strict=True)}
    return named


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    result: NDArray[np.float64] = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
