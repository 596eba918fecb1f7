"""In which order a training sees its patches: for each epoch a row of record numbers.

Uniform: every patch once an epoch, shuffled.

Class-balanced: as many draws an epoch as there are patches, with replacement. A draw first picks one of the K classes
that occur in the split, each with probability 1/K, then a patch in proportion to how much of that class it shows. With
`f(p, k)` the share of patch p's pixels that are of class k, patch p is drawn with probability

    w(p) = 1/K * sum over k of f(p, k) / sum over patches q of f(q, k)

This is class-aware sampling (Shen, Lin and Huang, "Relay Backpropagation for Effective Learning of Deep Convolutional
Neural Networks", ECCV 2016, section 4), with an image's label replaced by its shares of pixels. A patch shows several
classes, so the pixels drawn do not become equally many of each class, but they move towards it: with `pi` the classes'
shares of all pixels and `d(q) = sum over k of (q(k) - 1/K)**2 / pi(k)`, the shares of the pixels drawn are at most as
far as `d(pi)` from balance where no pixel is void. (They are `A u`, with `u` the uniform shares and `A` self-adjoint
with eigenvalues between 0 and 1 in that metric, and `A pi = pi`.)
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError

Sampling = Literal["uniform", "class_balanced"]


def balanced_weights(class_fraction: NDArray[Any]) -> NDArray[np.float64]:
    """How likely each patch is to be drawn when classes are to be drawn alike.

    Args:
        class_fraction: `(records, K)`, share of each patch's pixels that are of each class, 0 to 1.

    Returns:
        `(records,)`, not negative, with sum 1. Zero for a patch that shows no class; a class that does not occur in
        the split has no part.

    Raises:
        DataError: If no patch shows any class.
    """
    fraction = class_fraction.astype(np.float64)
    of_class = fraction.sum(axis=0)
    present = of_class > 0
    if not present.any():
        raise DataError(
            f"none of the {len(fraction)} training patches has a pixel of any class",
            "labels to balance",
            "check the labels and the class set (eoseg validate), or set training.sampling: uniform",
        )
    weights: NDArray[np.float64] = (fraction[:, present] / of_class[present]).sum(axis=1)
    weights /= weights.sum()
    return weights


def epoch_order(records: int, seed: int, epoch: int, weights: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """The row of one epoch: `(records,)` int64 record numbers, a pure function of the arguments.

    Args:
        records: How many there are.
        seed: Of the training.
        epoch: Counted from 0.
        weights: `(records,)` with sum 1, to draw by with replacement; None gives a permutation.
    """
    rng = np.random.default_rng((seed, epoch))
    if weights is None:
        return rng.permutation(records)
    return rng.choice(records, records, p=weights)
