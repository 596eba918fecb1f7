"""Losses that are a mean over pixels.

With `p` the soft-max of the logits, `y` the true class of a pixel, `w` the class weights and K classes

    cross entropy = mean over counted pixels of  -w[y] * log p[y]
    smoothed      = mean over counted pixels of  -w[y] * ((1 - e) * log p[y] + e / K * sum over k of log p[k])
    focal         = mean over counted pixels of  -w[y] * (1 - p[y]) ** gamma * log p[y]

Pixels whose label is no class (`VOID_ID` and `UNKNOWN_ID`) are not counted; a batch without counted pixels gives 0.
Losses of whole regions are in `components.training.region_losses`.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray


def weighted_cross_entropy(
    logits: Any, label: Any, class_weights: NDArray[np.floating[Any]], smoothing: float = 0.0
) -> Any:
    """The mean weighted cross entropy of the counted pixels.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        class_weights: `(K,)`.
        smoothing: Share of the truth that is spread evenly over the classes, 0 to 1 (Szegedy et al. 2016,
            https://arxiv.org/abs/1512.00567, section 7).

    Returns:
        Scalar float32.
    """
    log_share = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    # Ids from K on get a row of zeros, which is what leaves void pixels out.
    truth = ops.one_hot(ops.cast(label, "int32"), len(class_weights), dtype="float32")
    counted = ops.sum(truth)
    weights = ops.convert_to_tensor(np.asarray(class_weights, np.float32))
    of_truth = -ops.sum(truth * log_share * weights) / ops.maximum(counted, 1.0)
    if not smoothing:
        return of_truth
    weight = ops.sum(truth * weights, axis=-1)
    of_all = -ops.sum(weight * ops.mean(log_share, axis=-1)) / ops.maximum(counted, 1.0)
    return (1.0 - smoothing) * of_truth + smoothing * of_all


def focal_loss(logits: Any, label: Any, class_weights: NDArray[np.floating[Any]], gamma: float = 2.0) -> Any:
    """The mean weighted focal loss of the counted pixels.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, for soft-max in the place of sigmoids; the class weights
    are the paper's alpha.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        class_weights: `(K,)`.
        gamma: 0 gives the cross entropy.

    Returns:
        Scalar float32.
    """
    log_share = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    truth = ops.one_hot(ops.cast(label, "int32"), len(class_weights), dtype="float32")
    weights = ops.convert_to_tensor(np.asarray(class_weights, np.float32))
    of_truth = ops.sum(truth * log_share, axis=-1)
    # Where a pixel is right to the last bit, a gamma below 1 would have an infinite slope.
    wrong = ops.maximum(1.0 - ops.exp(of_truth), 1e-6)
    weight = ops.sum(truth * weights, axis=-1)
    return -ops.sum(weight * wrong**gamma * of_truth) / ops.maximum(ops.sum(truth), 1.0)
