"""Every figure of an evaluation, by name, of counts summed over any units; with intervals and differences.

| name | of |
|---|---|
| `mean_iou`, `iou/roof`, ... | the confusion matrix against the full truth: all of `figures.figure_names` |
| `eroded/mean_iou`, `eroded/iou/roof`, ... | the same against the truth with eroded boundaries |
| `boundary_f1/roof`, `mean_boundary_f1` | boundary F1; the mean over the scored classes that have a boundary |
| `expected_calibration_error`, `maximum_calibration_error` | confidence against accuracy; the lower the better |

NaN is an absent figure: of a class that is nowhere, of an ignored one, of confidences that were not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluation.bootstrap import (
    DEFAULT_LEVEL,
    DEFAULT_RESAMPLES,
    Difference,
    Interval,
    bootstrap_intervals,
    paired_differences,
)
from components.evaluation.boundary_f1 import boundary_f1, mean_boundary_f1
from components.evaluation.calibration import expected_calibration_error, maximum_calibration_error
from components.evaluation.counts import ERODED, EvaluationCounts, shapes_of
from components.evaluation.figures import class_figure, figure_arrays, figure_names

BOUNDARY_F1 = "boundary_f1"
MEAN_BOUNDARY_F1 = "mean_boundary_f1"
CALIBRATION_ERROR = "expected_calibration_error"
WORST_CALIBRATION_ERROR = "maximum_calibration_error"
LOWER_IS_BETTER = (CALIBRATION_ERROR, WORST_CALIBRATION_ERROR)


def eroded_figure(name: str) -> str:
    """The name of a figure of the confusion matrix against the eroded truth."""
    return f"{ERODED}/{name}"


@dataclass(frozen=True)
class ScoredClasses:
    """The classes as figures see them.

    Attributes:
        names: K, in id order.
        scored_ids: Those that means are taken over.
        ignored_ids: Those whose truth counts as void (see `figures`).
    """

    names: tuple[str, ...]
    scored_ids: tuple[int, ...]
    ignored_ids: tuple[int, ...] = ()


def all_figure_names(class_names: Sequence[str]) -> list[str]:
    """The names of all figures that `all_figures` gives."""
    of_matrix = figure_names(class_names)
    of_boundaries = [class_figure(BOUNDARY_F1, name) for name in class_names]
    return [*of_matrix, *map(eroded_figure, of_matrix), MEAN_BOUNDARY_F1, *of_boundaries, *LOWER_IS_BETTER]


def patch_figure_names(class_names: Sequence[str]) -> list[str]:
    """The names of those that the patch records alone tell: of the two confusion matrices."""
    of_matrix = figure_names(class_names)
    return [*of_matrix, *map(eroded_figure, of_matrix)]


def all_figures(counts: EvaluationCounts, classes: ScoredClasses) -> dict[str, float]:
    """All figures of the sum over all units."""
    summed = {name: array.sum(axis=0) for name, array in counts.arrays.items()}
    return {name: float(value) for name, value in _figures_of_sums(summed, classes).items()}


def all_intervals(
    counts: EvaluationCounts,
    classes: ScoredClasses,
    *,
    seed: int = 0,
    resamples: int = DEFAULT_RESAMPLES,
    level: float = DEFAULT_LEVEL,
) -> dict[str, Interval]:
    """All figures with the intervals of a bootstrap over the units; over tiles with `counts.by_tile()`."""

    def figures_of(sums: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return _figures_of_sums(_split(sums, counts), classes)

    return bootstrap_intervals(_flat(counts), figures_of, seed=seed, resamples=resamples, level=level)


def all_differences(
    first: EvaluationCounts,
    second: EvaluationCounts,
    classes: ScoredClasses,
    *,
    seed: int = 0,
    resamples: int = DEFAULT_RESAMPLES,
    level: float = DEFAULT_LEVEL,
) -> dict[str, Difference]:
    """All figures of a first model less those of a second, by paired bootstrap over the units.

    Raises:
        ValueError: If the two were not counted on the same units in the same way.
    """
    if (first.class_count, first.options, first.units) != (second.class_count, second.options, second.units):
        raise ValueError("two models can be compared on the same units, classes and counting options only")

    def figures_of(sums: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        return _figures_of_sums(_split(sums, first), classes)

    return paired_differences(_flat(first), _flat(second), figures_of, seed=seed, resamples=resamples, level=level)


def _figures_of_sums(sums: Mapping[str, NDArray], classes: ScoredClasses) -> dict[str, NDArray[np.float64]]:
    """Each figure `(...)` of arrays `(..., K, K)` and so on."""
    named = figure_arrays(sums["confusion"], classes.names, classes.scored_ids, classes.ignored_ids)
    eroded = figure_arrays(sums["eroded"], classes.names, classes.scored_ids, classes.ignored_ids)
    named |= {eroded_figure(name): values for name, values in eroded.items()}
    of_boundaries = boundary_f1(sums["boundary"])
    of_boundaries[..., list(classes.ignored_ids)] = np.nan
    scored = [i for i in classes.scored_ids if i not in classes.ignored_ids]
    named[MEAN_BOUNDARY_F1] = mean_boundary_f1(sums["boundary"], scored)
    named |= {class_figure(BOUNDARY_F1, name): of_boundaries[..., i] for i, name in enumerate(classes.names)}
    named[CALIBRATION_ERROR] = expected_calibration_error(sums["reliability"])
    named[WORST_CALIBRATION_ERROR] = maximum_calibration_error(sums["reliability"])
    return named


def _flat(counts: EvaluationCounts) -> NDArray[np.int64]:
    """All arrays side by side, `(U, F)`, so that one draw of units serves every figure."""
    units = len(counts.units)
    return np.concatenate([array.reshape(units, int(np.prod(array.shape[1:]))) for array in counts.arrays.values()], 1)


def _split(sums: NDArray[np.float64], counts: EvaluationCounts) -> dict[str, NDArray[np.float64]]:
    """The inverse, of sums `(R, F)`."""
    arrays, start = {}, 0
    for name, shape in shapes_of(counts.class_count, counts.options).items():
        stop = start + int(np.prod(shape))
        arrays[name] = sums[:, start:stop].reshape(len(sums), *shape)
        start = stop
    return arrays
