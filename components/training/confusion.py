"""Confusion matrices in the graph, and the two figures that a progress line shows.

Rows are truth, columns prediction. Matrices are summed and divided once; batches are never averaged.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def patch_confusions(label: tf.Tensor, class_ids: tf.Tensor, classes: int) -> tf.Tensor:
    """The confusion matrix of each patch.

    Args:
        label: `(batch, height, width)` integer; pixels that are no class, such as `VOID_ID`, are not counted.
        class_ids: `(batch, height, width)` integer predictions, 0 to `classes - 1`.
        classes: Number of classes K.

    Returns:
        `(batch, K * K)` float32, row by row; exact up to 2**24 pixels a cell.
    """
    pixels = label.shape[1] * label.shape[2]
    # Ids from K on give a row of zeros in the one-hot matrix: nothing to count.
    truth = tf.one_hot(tf.reshape(tf.cast(label, tf.int32), [-1, pixels]), classes)
    predicted = tf.one_hot(tf.reshape(tf.cast(class_ids, tf.int32), [-1, pixels]), classes)
    return tf.reshape(tf.matmul(truth, predicted, transpose_a=True), [-1, classes * classes])


def pixel_accuracy(confusion: NDArray[Any]) -> float | None:
    """Share of the counted pixels that are right, 0 to 1; None if none was counted.

    Args:
        confusion: `(K, K)`.
    """
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else None


def mean_iou(confusion: NDArray[Any], scored_ids: Sequence[int]) -> float | None:
    """Mean over the scored classes of `right / (truth + predicted - right)`, 0 to 1.

    Classes that occur in neither truth nor prediction are left out; None if that leaves none.

    Args:
        confusion: `(K, K)`.
        scored_ids: Classes to take the mean over.
    """
    right = np.diag(confusion).astype(np.float64)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    ids = [i for i in scored_ids if union[i] > 0]
    return float(np.mean(right[ids] / union[ids])) if ids else None
