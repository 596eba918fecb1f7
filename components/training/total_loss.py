"""The number that a training minimises: the weighted sum of its losses over all outputs of the network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from components.training.loss_options import LossOptions
from components.training.losses import focal_loss, weighted_cross_entropy
from components.training.networks import LOGITS
from components.training.region_losses import lovasz_softmax, soft_dice_loss


def loss_of_outputs(
    outputs: Mapping[str, Any], label: Any, options: LossOptions, class_weights: NDArray[np.floating[Any]]
) -> Any:
    """The loss of `logits`, plus `options.auxiliary` times the loss of each other output.

    Args:
        outputs: By name: `logits` `(batch, size, size, K)`, and perhaps others `(batch, size / s, size / s, K)`, whose
            label is that of the pixel in the middle of each of their cells: enlarged about the cells' middles, as the
            networks do it, they then lie on `label`, and not `(s - 1) / 2` pixels beside it.
        label: `(batch, size, size)` integer class ids.
        options: Which losses, with which weights.
        class_weights: `(K,)`, of the losses that are a mean over pixels.

    Returns:
        Scalar float32.
    """
    total = loss_of_logits(outputs[LOGITS], label, options, class_weights)
    if not options.auxiliary:
        return total
    for name, logits in outputs.items():
        if name != LOGITS:
            step = label.shape[1] // logits.shape[1]
            middle = slice(step // 2, None, step)
            total += options.auxiliary * loss_of_logits(logits, label[:, middle, middle], options, class_weights)
    return total


def loss_of_logits(logits: Any, label: Any, options: LossOptions, class_weights: NDArray[np.floating[Any]]) -> Any:
    """The weighted sum of the losses of one output.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        options: Which losses, with which weights.
        class_weights: `(K,)`.

    Returns:
        Scalar float32.
    """
    classes = len(class_weights)
    terms = []
    if options.cross_entropy:
        loss = weighted_cross_entropy(logits, label, class_weights, options.label_smoothing)
        terms.append((options.cross_entropy, loss))
    if options.focal:
        terms.append((options.focal, focal_loss(logits, label, class_weights, options.focal_gamma)))
    if options.dice:
        terms.append((options.dice, soft_dice_loss(logits, label, classes)))
    if options.lovasz:
        terms.append((options.lovasz, lovasz_softmax(logits, label, classes)))
    weight, total = terms[0]
    total = total if weight == 1.0 else weight * total
    for weight, loss in terms[1:]:
        total = ops.add(total, weight * loss)
    return total
