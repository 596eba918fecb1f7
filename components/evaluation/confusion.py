"""Confusion matrices: counted per patch, summed over a split, divided once."""

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID


def confusion_matrix(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], class_count: int) -> NDArray[np.int64]:
    """Counts pairs of class ids.

    Args:
        truth: Class ids of any shape; `VOID_ID` (and anything that is no class) is not counted.
        predicted: Class ids of the same shape, all below `class_count`.
        class_count: K.

    Returns:
        `(K, K)`: row = truth, column = prediction.

    Raises:
        ValueError: If the shapes differ, or a counted pixel's prediction is no class.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {predicted.shape}; they must be the same")
    counted = truth < min(class_count, VOID_ID)
    rows = truth[counted].astype(np.int64)
    columns = predicted[counted]
    if columns.size and columns.max() >= class_count:
        raise ValueError(f"prediction {columns.max()} is no class id; expected 0 to {class_count - 1}")
    return np.bincount(rows * class_count + columns, minlength=class_count**2).reshape(class_count, class_count)
