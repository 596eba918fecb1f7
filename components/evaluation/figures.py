"""The figures of a confusion matrix M (row = truth, column = prediction), N = sum of M.

| figure | formula |
|---|---|
| overall accuracy | sum_i M_ii / N |
| average accuracy | mean recall of the scored classes that the truth holds |
| kappa (Cohen 1960) | (p_o - p_e) / (1 - p_e), p_o = overall accuracy, p_e = sum_i row_i * column_i / N^2 |
| MCC (Gorodkin 2004, R_K) | (N sum_i M_ii - sum_i row_i column_i) / sqrt((N^2 - sum row_i^2)(N^2 - sum column_i^2)) |
| precision of class i | M_ii / column_i |
| recall of class i | M_ii / row_i |
| F1 of class i | 2 M_ii / (row_i + column_i) |
| IoU of class i (Jaccard) | M_ii / (row_i + column_i - M_ii) |
| mean IoU, mean F1 | mean over the scored classes whose figure is defined |
| mean IoU, mean F1 of all | the same over all classes, the unscored ones too |
| frequency-weighted IoU (Long et al. 2015) | sum_i row_i IoU_i / N, over all classes |

A ratio whose denominator is zero is NaN: a class that is absent is reported absent, not as 0 or 1.

A class such as clutter can be set aside in two ways, which give different figures:

- not scored (`scored_ids` leaves it out): its pixels count, a roof predicted on clutter is a false roof, and only the
  means are taken without it. The mean F1 published for the ISPRS contest is taken so.
- ignored (`ignored_ids` names it): pixels whose truth it is count nowhere, as if they were void; its own figures are
  absent. Other pixels that are predicted as it stay errors: a network gains nothing by answering "clutter".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.evaluation.ratio import mean_of_defined, ratio

OVERALL_ACCURACY = "overall_accuracy"
AVERAGE_ACCURACY = "average_accuracy"
KAPPA = "kappa"
MCC = "mcc"
MEAN_IOU = "mean_iou"
MEAN_F1 = "mean_f1"
MEAN_IOU_OF_ALL = "mean_iou_of_all"
MEAN_F1_OF_ALL = "mean_f1_of_all"
FREQUENCY_WEIGHTED_IOU = "frequency_weighted_iou"
PIXELS = "pixels"
SUMMARY_FIGURES = (
    OVERALL_ACCURACY,
    AVERAGE_ACCURACY,
    KAPPA,
    MCC,
    MEAN_IOU,
    MEAN_F1,
    MEAN_IOU_OF_ALL,
    MEAN_F1_OF_ALL,
    FREQUENCY_WEIGHTED_IOU,
)
CLASS_FIGURES = ("iou", "f1", "precision", "recall", "truth_share")


def class_figure(figure: str, class_name: str) -> str:
    """The name of a class's figure: `iou/building`."""
    return f"{figure}/{class_name}"


def figure_names(class_names: Sequence[str]) -> list[str]:
    """The names of all figures that `figures` gives."""
    per_class = [class_figure(figure, name) for figure in CLASS_FIGURES for name in class_names]
    return [*SUMMARY_FIGURES, PIXELS, *per_class]


def figures(
    matrix: ArrayLike, class_names: Sequence[str], scored_ids: Sequence[int], ignored_ids: Sequence[int] = ()
) -> dict[str, float]:
    """All figures of a confusion matrix, by name.

    Args:
        matrix: `(K, K)` counts.
        class_names: K names, in id order.
        scored_ids: The classes that means are taken over.
        ignored_ids: The classes whose truth counts as void.

    Returns:
        Fractions 0 to 1 (kappa and MCC -1 to 1), `pixels` a count; NaN where a figure is not defined.

    Raises:
        ValueError: If the matrix is not K x K.
    """
    counts = np.asarray(matrix, np.float64)
    if counts.ndim != 2:
        raise ValueError(f"one matrix (K, K) is needed, received an array of shape {counts.shape}")
    arrays = figure_arrays(counts, class_names, scored_ids, ignored_ids)
    return {name: float(value) for name, value in arrays.items()}


def figure_arrays(
    matrices: ArrayLike, class_names: Sequence[str], scored_ids: Sequence[int], ignored_ids: Sequence[int] = ()
) -> dict[str, NDArray[np.float64]]:
    """The same of many matrices `(..., K, K)` at once: each figure is an array `(...)`.

    Raises:
        ValueError: If the matrices are not K x K.
    """
    counts = np.asarray(matrices, np.float64)
    class_count = len(class_names)
    if counts.ndim < 2 or counts.shape[-2:] != (class_count, class_count):
        raise ValueError(f"the matrix has shape {counts.shape}; {class_count} classes need ({class_count}, ...)")
    ignored = list(ignored_ids)
    counts = without_truth_of(counts, ignored)
    hits, truth, predicted = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    total = truth.sum(axis=-1)
    per_class = {
        "iou": ratio(hits, truth + predicted - hits),
        "f1": ratio(2 * hits, truth + predicted),
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, truth),
        "truth_share": ratio(truth, np.broadcast_to(total[..., None], truth.shape)),
    }
    for values in per_class.values():
        values[..., ignored] = np.nan
    scored = [i for i in scored_ids if i not in ignored]
    named = {
        **_agreement(hits, truth, predicted, total),
        AVERAGE_ACCURACY: mean_of_defined(per_class["recall"][..., scored]),
        MEAN_IOU: mean_of_defined(per_class["iou"][..., scored]),
        MEAN_F1: mean_of_defined(per_class["f1"][..., scored]),
        MEAN_IOU_OF_ALL: mean_of_defined(per_class["iou"]),
        MEAN_F1_OF_ALL: mean_of_defined(per_class["f1"]),
        FREQUENCY_WEIGHTED_IOU: ratio((truth * np.nan_to_num(per_class["iou"])).sum(axis=-1), total),
        PIXELS: total,
    }
    for figure, values in per_class.items():
        named |= {class_figure(figure, name): values[..., i] for i, name in enumerate(class_names)}
    return named


def without_truth_of(matrices: ArrayLike, ignored_ids: Sequence[int]) -> NDArray[np.float64]:
    """Matrices `(..., K, K)` in which the pixels whose truth is one of these classes count nowhere."""
    counts = np.array(matrices, np.float64)
    counts[..., list(ignored_ids), :] = 0
    return counts


def _agreement(
    hits: NDArray[np.float64],
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    total: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """The figures over all classes, as shares of all pixels."""
    accuracy = ratio(hits.sum(axis=-1), total)
    by_chance = ratio((truth * predicted).sum(axis=-1), total * total)
    # sum row_i (N - row_i) is N^2 - sum row_i^2 without the difference of two nearly equal numbers.
    rest = total[..., None]
    spread = np.sqrt((truth * (rest - truth)).sum(axis=-1)) * np.sqrt((predicted * (rest - predicted)).sum(axis=-1))
    return {
        OVERALL_ACCURACY: accuracy,
        KAPPA: ratio(accuracy - by_chance, 1 - by_chance),
        MCC: ratio(hits.sum(axis=-1) * total - (truth * predicted).sum(axis=-1), spread),
    }
