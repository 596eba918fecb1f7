"""Things that a patch is deprived of, seeded, in the graph: one band, or a square hole. Each patch on its own.

Holes: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552. They kept the label of a whole image; here each pixel
has one, and what is asked of the pixels in the hole is an option.
"""

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.relight import as_dtype


def occluded(
    image: tf.Tensor, label: tf.Tensor, seed: tf.Tensor, options: AugmentOptions, mean: NDArray[Any]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Drops a band of some patches, and cuts a hole into each.

    Args:
        image: `(batch, size, size, bands)`.
        label: `(batch, size, size)` uint8.
        seed: `(2,)` integer; equal seeds give equal results.
        options: How often, and how large.
        mean: `(bands,)` of the training split; it takes the place of what is gone.

    Returns:
        Image and label of the same shapes and dtypes.
    """
    filling = as_dtype(tf.constant(mean, tf.float32), image.dtype)
    if options.channel_dropout:
        dropped = _dropped_bands(tf.shape(image)[0], image.shape[3], seed, options.channel_dropout)
        image = tf.where(dropped[:, None, None, :], filling, image)
    # Never the whole patch, whatever the rounding says: nothing would be left to learn from.
    side = min(round(options.cutout * image.shape[1]), image.shape[1] - 1)
    if side:
        hole = _holes(tf.shape(image)[0], image.shape[1], side, tf.random.experimental.stateless_fold_in(seed, 1))
        image = tf.where(hole[..., None], filling, image)
        if options.cutout_label == "void":
            label = tf.where(hole, tf.constant(VOID_ID, label.dtype), label)
    return image, label


def _dropped_bands(batch: tf.Tensor, bands: int, seed: tf.Tensor, share: float) -> tf.Tensor:
    """`(batch, bands)` bool: one True in about `share` of the rows."""
    happens = tf.random.stateless_uniform([batch, 1], seed) < share
    band = tf.random.stateless_uniform(
        [batch], tf.random.experimental.stateless_fold_in(seed, 2), 0, bands, dtype=tf.int32
    )
    return happens & (tf.one_hot(band, bands) > 0)


def _holes(batch: tf.Tensor, size: int, side: int, seed: tf.Tensor) -> tf.Tensor:
    """`(batch, size, size)` bool: a square that lies wholly in each patch."""
    corner = tf.random.stateless_uniform([2, batch, 1], seed, 0, size - side + 1, dtype=tf.int32)
    place = tf.range(size)[None]
    within = (place >= corner) & (place < corner + side)
    return within[0][:, :, None] & within[1][:, None, :]
