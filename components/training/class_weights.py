"""How much the pixels of each class count in the loss."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.dataset.statistics import SplitStatistics
from components.errors import ConfigError, DataError
from components.training.options import TrainingOptions


def class_weights(
    options: TrainingOptions, statistics: SplitStatistics, class_names: Sequence[str]
) -> NDArray[np.float32]:
    """The weights that a configuration asks for.

    Args:
        options: Which kind, and its settings.
        statistics: Of the training split.
        class_names: In id order.

    Returns:
        `(K,)` float32.

    Raises:
        ConfigError: If weights are given for classes that there are not, or are 0 for all that the split shows.
        DataError: If no patch of the split shows any class.
    """
    if not (statistics.class_pixels > 0).any():
        raise DataError(
            f"none of the {statistics.records} training patches has a pixel of any class",
            "labels to learn from",
            "check the labels and the class set (eoseg validate)",
        )
    kind = options.class_weights
    if kind == "median_frequency":
        return median_frequency_weights(
            statistics.class_pixels, statistics.class_patch_pixels, options.max_class_weight
        )
    if kind == "effective_number":
        return effective_number_weights(
            statistics.class_pixels, options.effective_number_beta, options.max_class_weight
        )
    if isinstance(kind, str):
        return np.ones(len(class_names), np.float32)
    strange = [name for name in kind if name not in class_names]
    if strange:
        raise ConfigError(
            f"training.class_weights names {', '.join(strange)}",
            f"classes of the data set: {', '.join(class_names)}",
            "correct training.class_weights",
        )
    weights = np.array([kind.get(name, 1.0) for name in class_names], np.float32)
    by_pixel = options.loss.cross_entropy or options.loss.focal
    if by_pixel and not weights[statistics.class_pixels > 0].any():
        raise ConfigError(
            "training.class_weights gives 0 to every class that the training split shows: there is nothing to learn",
            "a weight above 0 for at least one of "
            + ", ".join(np.asarray(class_names)[statistics.class_pixels > 0].tolist()),
            "correct training.class_weights",
        )
    return weights


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


def effective_number_weights(class_pixels: NDArray[np.float64], beta: float, largest: float) -> NDArray[np.float32]:
    """Class weights by the effective number of samples: pixels beyond some number add little that is new.

        effective[c] = (1 - beta ** pixels[c]) / (1 - beta)
        weight[c] = a / effective[c]          a such that the weights' mean is 1

    Source: Cui et al. 2019, https://arxiv.org/abs/1901.05555, equation 4 and section 4, with pixels as samples.

    Args:
        class_pixels: `(K,)` pixels of each class.
        beta: 0 to 1; 1 / (1 - beta) pixels of a class are as many as count in full.
        largest: Greater weights are cut to this.

    Returns:
        `(K,)` float32; 1 for classes that are absent, and no part in the mean for them.
    """
    present = class_pixels > 0
    weights = np.ones(len(class_pixels), np.float32)
    if present.any():
        inverse = (1.0 - beta) / -np.expm1(class_pixels[present] * np.log(beta))
        weights[present] = np.minimum(inverse / inverse.mean(), largest)
    return weights
