"""Calibration: whether a network that is 80 % sure is right 80 % of the time.

The confidence of a pixel is the score of the class that is predicted there. Pixels are counted in B bins of equal
width, bin b for confidences in (b / B, (b + 1) / B], 0 in the first. With n_b pixels in bin b, N = sum_b n_b:

    accuracy_b   = right pixels of bin b / n_b
    confidence_b = mean confidence of bin b
    expected calibration error = sum_b n_b / N * |accuracy_b - confidence_b|
    maximum calibration error  = max over bins that hold pixels of |accuracy_b - confidence_b|

(Naeini et al. 2015; Guo et al. 2017, equations 3 and 5.)

Confidences are rounded to millionths and summed as integers: sums of floating-point numbers would depend on the order
in which windows come, and 0.3 would fall on this or that side of a bin's edge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.classes import VOID_ID
from components.evaluation.ratio import ratio

PIXELS, RIGHT, CONFIDENCE = range(3)
"""The columns of the counts; the last one in millionths."""

MILLION = 1_000_000
MAX_BINS = 1000
DEFAULT_BINS = 15
"""As Guo et al."""

_PIXELS_AT_ONCE = 65_536


def reliability_counts(
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    confidence: NDArray[np.floating],
    class_count: int,
    bins: int = DEFAULT_BINS,
) -> NDArray[np.int64]:
    """Counts pixels by confidence.

    Args:
        truth: Class ids `(n,)` or `(height, width)`; whatever is no class is not counted.
        predicted: Class ids of the same shape.
        confidence: The predicted class's score, 0 to 1, of the same shape.
        class_count: K.
        bins: B.

    Returns:
        `(B, 3)`: columns `PIXELS`, `RIGHT` and `CONFIDENCE`. Counts of parts add up to those of the whole.

    Raises:
        ValueError: If the shapes differ, there are no bins or more than `MAX_BINS`, or a counted pixel's confidence is
            not between 0 and 1.
    """
    if not 1 <= bins <= MAX_BINS:
        raise ValueError(f"{bins} bins; expected 1 to {MAX_BINS}")
    if not truth.shape == predicted.shape == confidence.shape:
        raise ValueError(
            f"truth has shape {truth.shape}, prediction {predicted.shape}, confidence {confidence.shape}; "
            "they must be the same"
        )
    counts = np.zeros((bins, 3), np.int64)
    # A few rows at a time stay in the processor's cache: of 36 megapixels in a third of the time.
    rows = max(1, _PIXELS_AT_ONCE * len(truth) // max(1, truth.size))
    for start in range(0, len(truth), rows):
        part = slice(start, start + rows)
        counted = truth[part] < min(class_count, VOID_ID)
        right = truth[part][counted] == predicted[part][counted]
        counts += _count(confidence[part][counted], right, bins)
    return counts


def _count(scores: NDArray[np.floating], right: NDArray[np.bool_], bins: int) -> NDArray[np.int64]:
    # NaN is on neither side; a softmax in 32 bits may exceed 1 by a rounding.
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1 + 1e-5):
        raise ValueError(f"a confidence is between 0 and 1, received {scores.min()} to {scores.max()}")
    if scores.dtype.itemsize < 4:
        scores = scores.astype(np.float32)  # a million is more than 16 bits hold, under NumPy 2
    millionths = np.minimum(np.rint(scores * MILLION).astype(np.uint32), MILLION)
    # ceil(confidence * bins), and 0 with the first bin.
    bin_of_pixel = np.maximum((millionths * np.uint32(bins) + np.uint32(MILLION - 1)) // np.uint32(MILLION), 1) - 1
    both = np.bincount(2 * bin_of_pixel + right, minlength=2 * bins).reshape(bins, 2)
    counts = np.empty((bins, 3), np.int64)
    counts[:, PIXELS] = both.sum(axis=1)
    counts[:, RIGHT] = both[:, 1]
    # As 64-bit floats these integers add up exactly below 2^53, which is nine thousand million pixels.
    counts[:, CONFIDENCE] = np.bincount(bin_of_pixel, weights=millionths, minlength=bins)
    return counts


@dataclass(frozen=True)
class ReliabilityCurve:
    """The bins of a reliability diagram; NaN in a bin that holds no pixel.

    Attributes:
        edges: `(B + 1,)`, 0 to 1.
        pixels: `(B,)` counts.
        confidence: `(B,)` mean confidence.
        accuracy: `(B,)` share of right pixels.
    """

    edges: NDArray[np.float64]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def reliability_curve(counts: ArrayLike) -> ReliabilityCurve:
    """The curve of summed counts `(B, 3)`."""
    sums = np.asarray(counts, np.int64)
    confidence, accuracy = _of_bins(sums.astype(np.float64))
    return ReliabilityCurve(np.linspace(0, 1, len(sums) + 1), sums[:, PIXELS], confidence, accuracy)


def expected_calibration_error(counts: ArrayLike) -> NDArray[np.float64]:
    """The error `(...)` of summed counts `(..., B, 3)`, 0 to 1; NaN where no pixel is counted."""
    sums = np.asarray(counts, np.float64)
    gap = np.abs(sums[..., RIGHT] - sums[..., CONFIDENCE] / MILLION)
    return ratio(gap.sum(axis=-1), sums[..., PIXELS].sum(axis=-1))


def maximum_calibration_error(counts: ArrayLike) -> NDArray[np.float64]:
    """The worst bin's error `(...)` of summed counts `(..., B, 3)`, 0 to 1; NaN where no pixel is counted."""
    sums = np.asarray(counts, np.float64)
    confidence, accuracy = _of_bins(sums)
    worst = np.nan_to_num(np.abs(accuracy - confidence), nan=-1.0).max(axis=-1)
    return np.where(worst < 0, np.nan, worst)


def _of_bins(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean confidence and accuracy `(..., B)`."""
    pixels = sums[..., PIXELS]
    return ratio(sums[..., CONFIDENCE] / MILLION, pixels), ratio(sums[..., RIGHT], pixels)
