"""Changes of light, seeded, in the graph and in the sensor's own numbers, each patch on its own."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.dataset.augment_options import AugmentOptions

_RANGE_DEVIATIONS = 3.0


def relit(
    image: tf.Tensor, seed: tf.Tensor, options: AugmentOptions, mean: NDArray[Any], stddev: NDArray[Any]
) -> tf.Tensor:
    """Changes gamma, then brightness and contrast, of each patch.

        t = (pixel - low) / (high - low)        low, high = mean -+ 3 * stddev
        pixel' = low + (high - low) * t ** g    where 0 < t < 1, else pixel        log g in +-log(1 + gamma)
        pixel'' = mean + (pixel' - mean) * (1 + c) + b * stddev        c in +-contrast, b in +-brightness

    Args:
        image: `(batch, size, size, bands)`; integers are rounded and cut to the range of their dtype.
        seed: `(2,)` integer.
        options: The largest changes, and whether bands change together.
        mean, stddev: `(bands,)` of the training split.

    Returns:
        Image of the same shape and dtype.
    """
    if options.brightness == 0 and options.contrast == 0 and options.gamma == 0:
        return image
    shape = [tf.shape(image)[0], 1, 1, image.shape[-1] if options.per_band else 1]
    drawn = tf.random.stateless_uniform([2, *shape], seed, -1.0, 1.0)
    stretch = 1.0 + drawn[0] * options.contrast
    shift = drawn[1] * options.brightness * tf.constant(stddev, tf.float32)
    centre = tf.constant(mean, tf.float32)
    pixels = tf.cast(image, tf.float32)
    if options.gamma:
        # A seed of its own, so that gamma does not change what is drawn for the others.
        exponent = tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(seed, 1), -1.0, 1.0)
        pixels = _bent(pixels, (1.0 + options.gamma) ** exponent, mean, stddev)
    return as_dtype(centre + (pixels - centre) * stretch + shift, image.dtype)


def as_dtype(pixels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Float32 pixels in the image's dtype: integers rounded and cut to its range."""
    if dtype.is_integer:
        return tf.saturate_cast(tf.round(pixels), dtype)
    return tf.cast(pixels, dtype)


def _bent(pixels: tf.Tensor, exponent: tf.Tensor, mean: NDArray[Any], stddev: NDArray[Any]) -> tf.Tensor:
    low = tf.constant(mean - _RANGE_DEVIATIONS * stddev, tf.float32)
    # A constant band has no range; dividing by one leaves its t at 0.
    extent = tf.constant(np.where(stddev > 0, 2 * _RANGE_DEVIATIONS * stddev, 1.0), tf.float32)
    t = (pixels - low) / extent
    inside = (t > 0) & (t < 1)
    return tf.where(inside & tf.constant(stddev > 0), low + extent * tf.where(inside, t, 1.0) ** exponent, pixels)
