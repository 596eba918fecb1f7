"""What training minimises.

With `p` the soft-max of the logits, `y` the true class of a pixel and `w` the class weights

    loss = sum over counted pixels of  -w[y] * log p[y]   /   number of counted pixels

Pixels whose label is no class (`VOID_ID` and `UNKNOWN_ID`) are not counted; a batch without counted pixels gives 0.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray


def weighted_cross_entropy(logits: Any, label: Any, class_weights: NDArray[np.floating[Any]]) -> Any:
    """The mean weighted cross entropy of the counted pixels.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        class_weights: `(K,)`.

    Returns:
        Scalar float32.
    """
    log_share = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    # Ids from K on get a row of zeros, which is what leaves void pixels out.
    truth = ops.one_hot(ops.cast(label, "int32"), len(class_weights), dtype="float32")
    counted = ops.sum(truth)
    weights = ops.convert_to_tensor(np.asarray(class_weights, np.float32))
    return -ops.sum(truth * log_share * weights) / ops.maximum(counted, 1.0)


def median_frequency_weights(
    class_pixels: NDArray[np.float64], class_patch_pixels: NDArray[np.float64], largest: float
) -> NDArray[np.float32]:
    """Class weights by median frequency balancing.

        frequency[c] = pixels of c / pixels of all patches in which c occurs
        weight[c] = median(frequency) / frequency[c]

    Source: Eigen and Fergus 2015, https://arxiv.org/abs/1411.4734, section 6.3.2, as the SegNet paper uses it.

    Args:
        class_pixels: `(K,)` pixels of each class.
        class_patch_pixels: `(K,)` pixels of the patches in which it occurs; 0 for an absent class.
        largest: Greater weights are cut to this.

    Returns:
        `(K,)` float32; 1 for classes that are absent, and no part in the median for them.
    """
    present = class_pixels > 0
    weights = np.ones(len(class_pixels), np.float32)
    if present.any():
        frequency = class_pixels[present] / class_patch_pixels[present]
        weights[present] = np.minimum(np.median(frequency) / frequency, largest)
    return weights
