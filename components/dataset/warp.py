"""Small rotations and changes of scale, seeded, in the graph: image and label together, each patch on its own.

With the patch's centre c = (size - 1) / 2, an angle t and a scale z, what stands at (x, y) of the result comes from

    x' = c + (cos t * (x - c) - sin t * (y - c)) / z
    y' = c + (sin t * (x - c) + cos t * (y - c)) / z

of the patch, x and y counted in pixels from the first one's middle: the image between four pixels (bilinear), the label
from the nearest. Outside of the patch the image is each band's mean and the label `VOID_ID`. Pixels that are no number
count as the mean, and values are cut at `LIMIT` deviations, as the network's first layer would do it: between four
pixels one that is none, or a nodata marker such as -9999, would spoil all.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.relight import as_dtype

LIMIT = 10.0
"""Deviations from the mean; that of `components.training.normalization.InputNormalization`."""


def warped(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    options: AugmentOptions,
    mean: NDArray[Any],
    stddev: NDArray[Any],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns and scales each patch of a batch.

    Args:
        image: `(batch, size, size, bands)`; integers are rounded and cut to the range of their dtype.
        label: `(batch, size, size)` uint8.
        seed: `(2,)` integer; equal seeds give equal results.
        options: The largest changes.
        mean, stddev: `(bands,)` of the training split; a deviation of zero counts as one.

    Returns:
        Image and label of the same shapes and dtypes.
    """
    if options.rotation == 0 and options.scale == 0:
        return image, label
    drawn = tf.random.stateless_uniform([2, tf.shape(image)[0]], seed, -1.0, 1.0)
    angle, scale = drawn[0] * math.radians(options.rotation), (1.0 + options.scale) ** drawn[1]
    return moved(image, label, angle, scale, mean, stddev)


def moved(
    image: tf.Tensor,
    label: tf.Tensor,
    angle: tf.Tensor,
    scale: tf.Tensor,
    mean: NDArray[Any],
    stddev: NDArray[Any],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns each patch by its angle, in radians, and scales it by its factor, both `(batch,)` float32."""
    transforms = _transforms(angle, scale, image.shape[1])
    centre = tf.constant(mean, tf.float32)
    # Zero, which comes from outside, is the mean then.
    pixels = tf.cast(image, tf.float32) - centre
    if image.dtype.is_floating:
        pixels = tf.where(tf.math.is_finite(pixels), pixels, 0.0)
    farthest = tf.constant(LIMIT * np.where(np.asarray(stddev) == 0, 1.0, stddev), tf.float32)
    pixels = tf.clip_by_value(pixels, -farthest, farthest)
    new_image = _transformed(pixels, transforms, "BILINEAR", 0.0) + centre
    new_label = _transformed(label[..., None], transforms, "NEAREST", float(VOID_ID))[..., 0]
    return tf.ensure_shape(as_dtype(new_image, image.dtype), image.shape), tf.ensure_shape(new_label, label.shape)


def _transforms(angle: tf.Tensor, scale: tf.Tensor, size: int) -> tf.Tensor:
    """`(batch, 8)` as `ImageProjectiveTransformV3` wants them: from places in the result to places in the patch."""
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    centre = (size - 1) / 2.0
    zero = tf.zeros_like(cos)
    rows = [cos, -sin, centre * (1.0 - cos + sin), sin, cos, centre * (1.0 - sin - cos), zero, zero]
    return tf.stack(rows, axis=1)


def _transformed(images: tf.Tensor, transforms: tf.Tensor, interpolation: str, fill: float) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=fill,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
