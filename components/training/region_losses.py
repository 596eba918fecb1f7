"""Losses of the regions that classes take, summed over a whole batch: small classes count as much as large ones.

Both are a mean over the classes that the batch's counted pixels show; a class that is absent there has no part. Pixels
whose label is no class are not counted; a batch without counted pixels gives 0.
"""

from typing import Any

from keras import ops


def soft_dice_loss(logits: Any, label: Any, classes: int) -> Any:
    """One minus the soft Dice coefficient, the mean over the classes present.

    With `p` the soft-max of the logits and `y` 1 where the pixel is of class c, else 0, sums over counted pixels

        dice[c] = 2 * sum(p * y) / (sum(p) + sum(y))

    Source: Milletari et al. 2016, https://arxiv.org/abs/1606.04797, with the sums of the denominator not squared.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        classes: K.

    Returns:
        Scalar float32, 0 to 1.
    """
    share, truth, counted = _rows(logits, label, classes)
    share = share * counted
    of_class = ops.sum(truth, axis=1)
    both = ops.sum(share * truth, axis=1)
    dice = 2.0 * both / ops.maximum(ops.sum(share, axis=1) + of_class, 1.0)
    return _mean_of_present(1.0 - dice, of_class)


def lovasz_softmax(logits: Any, label: Any, classes: int) -> Any:
    """The Lovasz extension of the Jaccard loss (1 - IoU), the mean over the classes present.

    For class c with errors `m[i] = |y[i] - p[i]|`, sorted so that `m` falls, `n` the class's pixels,

        J[i] = 1 - (n - sum of y up to i) / (n + sum of (1 - y) up to i) = 1 - I[i] / U[i]
        loss = sum over i of m[i] * (J[i] - J[i - 1])

    A pixel of the class takes one from I, any other adds one to U, so that the difference is 1 / U or I / (U (U - 1)):
    taken so, it does not lose its digits as the difference of two nearly equal J does in batches of millions of pixels.
    Where all errors are 0 or 1 it is the Jaccard loss of the predicted set.

    Source: Berman et al. 2018, https://arxiv.org/abs/1705.08790, algorithm 1, "present" classes, over the batch.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        classes: K.

    Returns:
        Scalar float32, 0 to 1.
    """
    share, truth, counted = _rows(logits, label, classes)
    # An error of zero costs nothing wherever it comes in the row, and as the last it moves no other: so void pixels
    # need not be taken out, which would make a shape that depends on the values.
    errors = ops.abs(truth - share) * counted
    order = ops.argsort(-errors, axis=-1)
    errors = ops.take_along_axis(errors, order, axis=-1)
    truth = ops.take_along_axis(truth, order, axis=-1)
    of_class = ops.sum(truth, axis=1)
    missed = ops.cumsum(truth, axis=-1)
    wrongly = ops.cumsum(1.0 - truth, axis=-1)
    intersection = of_class[:, None] - missed
    union = ops.maximum(of_class[:, None] + wrongly, 1.0)
    steps = ops.where(truth > 0, 1.0 / union, intersection / (union * ops.maximum(union - 1.0, 1.0)))
    return _mean_of_present(ops.sum(errors * ops.stop_gradient(steps), axis=-1), of_class)


def _rows(logits: Any, label: Any, classes: int) -> tuple[Any, Any, Any]:
    """Soft-max `(K, pixels)`, one-hot truth `(K, pixels)` and whether a pixel is counted `(1, pixels)`, all float32."""
    logits = ops.reshape(ops.cast(logits, "float32"), (-1, classes))
    label = ops.reshape(ops.cast(label, "int32"), (-1,))
    truth = ops.transpose(ops.one_hot(label, classes, dtype="float32"))
    return ops.transpose(ops.softmax(logits, axis=-1)), truth, ops.sum(truth, axis=0, keepdims=True)


def _mean_of_present(losses: Any, of_class: Any) -> Any:
    """The mean of `(K,)` losses over the classes with pixels `of_class` `(K,)`; 0 if there is none."""
    present = ops.cast(of_class > 0, "float32")
    return ops.sum(losses * present) / ops.maximum(ops.sum(present), 1.0)
