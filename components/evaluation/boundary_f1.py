"""Boundary F1: how well the outlines of the classes are drawn, to within a tolerance in pixels.

A pixel of class c is a boundary pixel of c if one of its four neighbours is of another class. With T the boundary
pixels of c in the truth, P those in the prediction, and d the Euclidean distance between pixels:

    precision = |{p in P: d(p, T) <= tolerance}| / |P|
    recall    = |{t in T: d(t, P) <= tolerance}| / |T|
    boundary F1 = 2 * precision * recall / (precision + recall)

(Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?"; Perazzi et al. 2016, section 4, who
match with a disc as is done here.) The four counts of a class are summed over windows, tiles and splits and divided
once; Csurka et al. average over images instead.

Where the truth is void the prediction counts as void too, and neither the border with void nor the tile's edge is a
boundary: the figure is symmetric, and swapping truth and prediction swaps precision and recall. A class without any
boundary in truth and prediction is absent, NaN; with one in only one of them its F1 is 0.

A window needs a halo of `halo_of(tolerance)` pixels for the same counts as the whole tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.classes import VOID_ID
from components.evaluation.disc import over_disc
from components.evaluation.ratio import mean_of_defined, ratio

PREDICTED, PREDICTED_MATCHED, TRUE, TRUE_MATCHED = range(4)
"""The columns of the counts."""

_BITS = 64
"""Classes whose boundaries are compared in one go, a bit each."""


def halo_of(tolerance: int) -> int:
    """The pixels around a window that its counts depend on: the tolerance, and the neighbour that makes a boundary."""
    return tolerance + 1


@dataclass(frozen=True)
class Boundaries:
    """The boundary pixels of a truth and a prediction.

    Attributes:
        truth: `(height, width)` uint8, the class of each boundary pixel of the truth, `VOID_ID` everywhere else.
        predicted: The same of the prediction.
        true_is_matched: `(height, width)` bool, whether the prediction has a boundary of that class nearby.
        predicted_is_matched: The reverse.
    """

    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    true_is_matched: NDArray[np.bool_]
    predicted_is_matched: NDArray[np.bool_]

    def count(self, class_count: int, part: tuple[slice, slice] = (slice(None), slice(None))) -> NDArray[np.int64]:
        """`(K, 4)` counts of the pixels in a part: columns `PREDICTED`, `PREDICTED_MATCHED`, `TRUE`, `TRUE_MATCHED`."""
        columns = []
        for classes, matched in ((self.predicted, self.predicted_is_matched), (self.truth, self.true_is_matched)):
            here = classes[part]
            columns.append(np.bincount(here.ravel(), minlength=256)[:class_count])
            columns.append(np.bincount(here[matched[part]], minlength=256)[:class_count])
        counts: NDArray[np.int64] = np.stack(columns, axis=1).astype(np.int64)
        return counts


def find_boundaries(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], class_count: int, tolerance: int
) -> Boundaries:
    """Finds and matches the boundaries of all classes at once.

    Args:
        truth: Class ids `(height, width)`; whatever is no class is void.
        predicted: Class ids of the same shape, all below `class_count`.
        class_count: K.
        tolerance: In pixels; 0 wants the very same pixels.

    Raises:
        ValueError: If the shapes differ or the tolerance is negative.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {predicted.shape}; they must be the same")
    is_void = truth >= min(class_count, VOID_ID)
    of_truth = _boundary_classes(truth, is_void)
    of_prediction = _boundary_classes(predicted, is_void)
    true_is_matched = np.zeros(truth.shape, np.bool_)
    predicted_is_matched = np.zeros(truth.shape, np.bool_)
    for first in range(0, class_count, _BITS):
        bit_of_class = _bit_of_class(first, min(class_count, first + _BITS))
        true_bits, predicted_bits = bit_of_class[of_truth], bit_of_class[of_prediction]
        true_is_matched |= (true_bits & over_disc(predicted_bits, tolerance, np.bitwise_or, 0)) != 0
        predicted_is_matched |= (predicted_bits & over_disc(true_bits, tolerance, np.bitwise_or, 0)) != 0
    return Boundaries(of_truth, of_prediction, true_is_matched, predicted_is_matched)


def boundary_counts(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], class_count: int, tolerance: int
) -> NDArray[np.int64]:
    """`(K, 4)` counts of a whole tile; of a window with a halo, `find_boundaries(...).count(K, part)` gives them."""
    return find_boundaries(truth, predicted, class_count, tolerance).count(class_count)


def boundary_f1(counts: ArrayLike) -> NDArray[np.float64]:
    """Boundary F1 `(..., K)` of summed counts `(..., K, 4)`; NaN for a class without any boundary."""
    sums = np.asarray(counts, np.float64)
    # Cross-multiplied: 2pr / (p + r) with p = a / P and r = b / T is 2ab / (aT + bP), which no absent side upsets.
    above = 2 * sums[..., PREDICTED_MATCHED] * sums[..., TRUE_MATCHED]
    below = sums[..., PREDICTED_MATCHED] * sums[..., TRUE] + sums[..., TRUE_MATCHED] * sums[..., PREDICTED]
    is_absent = (sums[..., TRUE] == 0) & (sums[..., PREDICTED] == 0)
    return np.where(is_absent, np.nan, np.nan_to_num(ratio(above, below)))


def mean_boundary_f1(counts: ArrayLike, scored_ids: Sequence[int]) -> NDArray[np.float64]:
    """The mean `(...)` over the scored classes that have a boundary at all; NaN where none has."""
    return mean_of_defined(boundary_f1(counts)[..., list(scored_ids)])


def _boundary_classes(classes: NDArray[np.uint8], is_void: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The classes at boundary pixels, `VOID_ID` elsewhere."""
    is_boundary = np.zeros(classes.shape, np.bool_)
    # Neighbours below one another, then beside one another; both pixels of a pair that differs are boundary.
    for before, after in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        differs = classes[before] != classes[after]
        differs &= ~(is_void[before] | is_void[after])
        is_boundary[before] |= differs
        is_boundary[after] |= differs
    return np.where(is_boundary, classes, np.uint8(VOID_ID))


def _bit_of_class(first: int, stop: int) -> NDArray:
    """A table of 256 entries: a bit of its own for each class from `first` to `stop`, 0 for all other ids."""
    size = next(size for size in (8, 16, 32, 64) if stop - first <= size)
    table = np.zeros(256, np.dtype(f"uint{size}"))
    for class_id in range(first, stop):
        table[class_id] = 1 << (class_id - first)
    return table
