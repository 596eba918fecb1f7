"""Areas adjusted for the map's errors (Olofsson et al. 2014, Remote Sensing of Environment 148:42-57, section 4).

A map's own areas are biased by its errors. With n_ij the reference pixels that the map calls i and the truth calls j,
n_i = sum_j n_ij, A_i the mapped area of class i, A = sum_i A_i and W_i = A_i / A:

    p_ij = W_i n_ij / n_i                                               (4)  share of the area
    overall accuracy O = sum_i p_ii                                     (1)
    user's accuracy U_i = p_ii / sum_j p_ij = n_ii / n_i                (2)
    producer's accuracy P_j = p_jj / sum_i p_ij                         (3)
    V(O) = sum_i W_i^2 U_i (1 - U_i) / (n_i - 1)                        (5)
    V(U_i) = U_i (1 - U_i) / (n_i - 1)                                  (6)
    V(P_j) = [A_j^2 (1 - P_j)^2 U_j (1 - U_j) / (n_j - 1)
              + P_j^2 sum_(i != j) A_i^2 (n_ij / n_i)(1 - n_ij / n_i) / (n_i - 1)] / (sum_i A_i n_ij / n_i)^2      (7)
    adjusted area of class j = A sum_i p_ij                             (9, 11)
    its variance = A^2 sum_i W_i^2 (n_ij / n_i)(1 - n_ij / n_i) / (n_i - 1)                                      (10)

and a 95 % interval reaches 1.96 standard errors to each side. In the paper the rows of the error matrix are the map;
in EOSeg they are the truth, and the functions below take EOSeg's.

These standard errors hold for a probability sample of reference pixels. EOSeg's reference is every labelled pixel of a
few tiles: neighbours resemble each other, so the errors come out far too small, and the more so the finer the pixels.
The honest interval draws tiles or blocks again: `adjusted_area_intervals`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.evaluation.bootstrap import DEFAULT_LEVEL, DEFAULT_RESAMPLES, Interval, bootstrap_intervals
from components.evaluation.ratio import ratio

Z_95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

INTERVAL_NOTE = (
    "The adjusted areas follow Olofsson et al. (2014). Their standard errors assume that the reference pixels were "
    "drawn at random one by one. Here whole tiles were labelled, and neighbouring pixels resemble each other, so those "
    "standard errors are far too small. The interval given is that of a bootstrap over tiles or blocks; where there is "
    "only one, no interval can be given."
)
"""For the report, beside the table."""


@dataclass(frozen=True)
class AdjustedAreas:
    """Estimates in class order, `(K,)` each, in the unit of the mapped areas; NaN where not defined.

    Attributes:
        mapped: What the map shows.
        area: Adjusted.
        area_error: Standard error of `area`, for a random sample of pixels.
        users_accuracy: Share of what is mapped as the class that is the class.
        users_error: Its standard error.
        producers_accuracy: Share of the class that is mapped as such.
        producers_error: Its standard error.
        overall_accuracy: Share of the area that is mapped right.
        overall_error: Its standard error.
    """

    mapped: NDArray[np.float64]
    area: NDArray[np.float64]
    area_error: NDArray[np.float64]
    users_accuracy: NDArray[np.float64]
    users_error: NDArray[np.float64]
    producers_accuracy: NDArray[np.float64]
    producers_error: NDArray[np.float64]
    overall_accuracy: float
    overall_error: float

    @property
    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The 95 % interval of `area` for a random sample of pixels, low and high; not cut at 0."""
        return self.area - Z_95 * self.area_error, self.area + Z_95 * self.area_error


def adjust_areas(confusion: ArrayLike, mapped_areas: ArrayLike) -> AdjustedAreas:
    """Adjusts mapped areas by a confusion matrix.

    Args:
        confusion: `(K, K)` counts, row = truth, column = map, as everywhere in EOSeg.
        mapped_areas: `(K,)`, the area that the map shows of each class, in any unit.

    Returns:
        Estimates; all areas are NaN if a class that is mapped somewhere was never compared with a reference.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    counts, mapped = _checked(confusion, mapped_areas)
    in_map = mapped > 0
    weights = ratio(mapped, mapped.sum())
    map_rows = counts.T  # the paper's n_ij
    compared = map_rows.sum(axis=1)
    shares = ratio(map_rows, compared[:, None])  # n_ij / n_i
    # Of a stratum: the variance of n_ij / n_i. A class that is not mapped is no stratum and adds nothing.
    variances = ratio(shares * (1 - shares), (compared - 1)[:, None])
    p = np.where(in_map[:, None], weights[:, None] * shares, 0.0)
    spread = np.where(in_map[:, None], weights[:, None] ** 2 * variances, 0.0)
    of_class = p.sum(axis=0)
    users, producers = np.diag(shares), ratio(np.diag(p), of_class)
    # Equation 7, divided by A^2 above and below.
    own, all_maps = np.diag(spread), spread.sum(axis=0)
    # Added up without the diagonal, not subtracted: one large stratum would cancel the digits of the small ones.
    others = np.where(np.eye(len(spread), dtype=bool), 0.0, spread).sum(axis=0)
    producers_variance = ratio((1 - producers) ** 2 * own + producers**2 * others, of_class**2)
    return AdjustedAreas(
        mapped=mapped,
        area=of_class * mapped.sum(),
        area_error=np.sqrt(all_maps) * mapped.sum(),
        users_accuracy=users,
        users_error=np.sqrt(np.diag(variances)),
        producers_accuracy=producers,
        producers_error=np.sqrt(np.maximum(producers_variance, 0.0)),
        overall_accuracy=float(np.trace(p)) if in_map.any() else float("nan"),
        overall_error=float(np.sqrt(np.trace(spread))) if in_map.any() else float("nan"),
    )


def adjusted_area_intervals(
    unit_confusions: ArrayLike,
    mapped_areas: ArrayLike,
    class_names: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = DEFAULT_RESAMPLES,
    level: float = DEFAULT_LEVEL,
) -> dict[str, Interval]:
    """Adjusted areas, each with the interval of a bootstrap over units.

    Args:
        unit_confusions: `(U, K, K)` counts of tiles or blocks, row = truth.
        mapped_areas: `(K,)`; they are known, and not drawn again.
        class_names: K names.
        seed: Of the draws.
        resamples: How many.
        level: Of confidence.

    Returns:
        By class name; the interval is NaN for fewer than two units.
    """
    units = np.asarray(unit_confusions, np.float64)
    mapped = _checked(units.sum(axis=0), mapped_areas)[1]

    def areas(summed: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        shares = ratio(summed, summed.sum(axis=-2, keepdims=True))  # row = truth, column = map
        estimated = np.where(mapped > 0, shares * mapped, 0.0).sum(axis=-1)
        return {name: estimated[..., i] for i, name in enumerate(class_names)}

    return bootstrap_intervals(units, areas, seed=seed, resamples=resamples, level=level)


def _checked(confusion: ArrayLike, mapped_areas: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts, mapped = np.asarray(confusion, np.float64), np.asarray(mapped_areas, np.float64)
    if mapped.ndim != 1 or counts.shape != (len(mapped), len(mapped)):
        raise ValueError(f"{mapped.size} mapped areas need a matrix of as many rows and columns, not {counts.shape}")
    return counts, mapped
