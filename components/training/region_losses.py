"""Losses of the regions that classes take, summed over a whole batch: small classes count as much as large ones.

Both are a mean over the classes that the batch's counted pixels show; a class that is absent there has no part. Pixels
whose label is no class are not counted; a batch without counted pixels gives 0.
"""

from typing import Any

from keras import ops

LEVELS = 1024
"""Of Lovasz-softmax: errors that differ by less than `1 / LEVELS` may count as equal."""


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

    A pixel of the class takes one from I, any other adds one to U. Where all errors are 0 or 1 it is the Jaccard loss
    of the predicted set.

    Source: Berman et al. 2018, https://arxiv.org/abs/1705.08790, algorithm 1, "present" classes, over the batch. Not
    sorted pixel by pixel, but counted by `LEVELS` levels of error (docs/decisions/0015-lovasz-by-counting.md): of the
    orders within a level the mean of "the class's pixels first" and "the others first" is taken. That loss is never
    above the exact one and at most `1 / LEVELS` below it.

    Args:
        logits: `(batch, height, width, K)` floating.
        label: `(batch, height, width)` integer class ids.
        classes: K.

    Returns:
        Scalar float32, 0 to 1.
    """
    share, truth, counted = _rows(logits, label, classes)
    errors = ops.abs(truth - share) * counted
    level = ops.cast(ops.stop_gradient(1.0 - errors) * LEVELS, "int32")  # 0: the largest errors
    level = ops.clip(level, 0, LEVELS - 1)
    row = ops.expand_dims(ops.arange(classes, dtype="int32"), 1)
    place = ((row * LEVELS) + level) * 2 + ops.cast(truth, "int32")
    weight = ops.broadcast_to(ops.cast(counted, "int32"), ops.shape(errors))  # float32 stops counting at 2 ** 24
    counts = ops.segment_sum(ops.reshape(weight, (-1,)), ops.reshape(place, (-1,)), classes * LEVELS * 2)
    counts = ops.cast(ops.reshape(counts, (classes, LEVELS, 2)), "float32")
    steps = _jaccard_steps(others=counts[:, :, 0], of_class=counts[:, :, 1])
    steps = ops.take(ops.reshape(steps, (-1,)), place)
    return _mean_of_present(ops.sum(errors * ops.stop_gradient(steps), axis=-1), ops.sum(truth, axis=1))


def _jaccard_steps(others: Any, of_class: Any) -> Any:
    """By how much one pixel of a level raises the Jaccard loss, `(K, levels, 2)`: one of the others, one of the class.

    With I and U before and after the level, the class's pixels first: each of them 1 / U before, each of the others
    I after / (U before * U after); the others first: 1 / U after and I before / (U before * U after). Neither is a
    difference of two nearly equal numbers, so that batches of millions of pixels keep their digits.

    Args:
        others: `(K, levels)` float32, the pixels of other classes in each level, the largest errors first.
        of_class: The same of the class's pixels.
    """
    size = ops.sum(of_class, axis=1, keepdims=True)
    intersection_after = size - ops.cumsum(of_class, axis=1)
    union_after = size + ops.cumsum(others, axis=1)
    intersection_before = intersection_after + of_class
    union_before = ops.maximum(union_after - others, 1.0)
    union_after = ops.maximum(union_after, 1.0)
    step_of_class = (1.0 / union_before + 1.0 / union_after) / 2
    step_of_others = (intersection_before + intersection_after) / 2 / (union_before * union_after)
    return ops.stack([step_of_others, step_of_class], axis=-1)


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
