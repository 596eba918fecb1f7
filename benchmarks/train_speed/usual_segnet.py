"""SegNet as it is usually written in Keras: `tf.nn.max_pool_with_argmax`, and unpooling by `tf.scatter_nd`.

The two layers are those that most Keras SegNets on the web share (`MaxPoolingWithArgmax2D`, `MaxUnpooling2D`), with
their indices kept whole numbers; convolutions, batch normalisation and ReLU are Keras' own layers. Channels and
initial weights are those of `components.segnet`.
"""

from typing import Any

import keras
import tensorflow as tf

from components.encoders.style import LayerStyle, class_scores, scaled
from components.segnet.encoders import ENCODER_CHANNELS
from components.segnet.network import DECODER_CHANNELS


class MaxPoolingWithArgmax2D(keras.layers.Layer):
    """2 x 2 max pooling that also gives where in its sample's flat `(height, width, channels)` each maximum stood."""

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """(pooled, index), both `(batch, height / 2, width / 2, channels)`; the index int64."""
        pooled, index = tf.nn.max_pool_with_argmax(inputs, ksize=2, strides=2, padding="SAME")
        return pooled, index

    def compute_output_spec(self, inputs: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Shapes and dtypes of (pooled, index)."""
        batch, height, width, channels = inputs.shape
        shape = (batch, height // 2, width // 2, channels)
        return keras.KerasTensor(shape, dtype=inputs.dtype), keras.KerasTensor(shape, dtype="int64")


class MaxUnpooling2D(keras.layers.Layer):
    """Scatters each value to the place its index names, four numbers (sample, row, column, channel) a value."""

    def call(self, inputs: Any) -> Any:
        """Of (values, index): `(batch, 2 * height, 2 * width, channels)`."""
        updates, index = inputs
        index = tf.cast(index, tf.int32)
        shape = tf.shape(updates)
        height, width, channels = shape[1] * 2, shape[2] * 2, shape[3]
        ones = tf.ones_like(index)
        sample = ones * tf.reshape(tf.range(shape[0]), (-1, 1, 1, 1))
        row = index // (width * channels)
        column = (index // channels) % width
        channel = ones * tf.range(channels)
        places = tf.transpose(tf.reshape(tf.stack([sample, row, column, channel]), [4, tf.size(updates)]))
        values = tf.reshape(updates, [tf.size(updates)])
        return tf.scatter_nd(places, values, [shape[0], height, width, channels])

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Shape and dtype of the unpooled values."""
        batch, height, width, channels = inputs[0].shape
        return keras.KerasTensor((batch, 2 * height, 2 * width, channels), dtype=inputs[0].dtype)


def usual_segnet(features: Any, classes: int, style: LayerStyle, width: float) -> Any:
    """The logits `(batch, size, size, classes)` of normalised features `(batch, size, size, bands)`.

    Layers that have weights stand in the order of `components.segnet.network.segnet`.
    """
    indices = []
    for number, channels in enumerate(ENCODER_CHANNELS, start=1):
        for i, count in enumerate(scaled(channels, width), start=1):
            features = _convolution(features, count, f"{number}_{i}", style)
        features, index = MaxPoolingWithArgmax2D(dtype=style.dtype, name=f"pool{number}")(features)
        indices.append(index)
    for number, channels in zip(range(len(indices), 0, -1), DECODER_CHANNELS, strict=True):
        features = MaxUnpooling2D(dtype=style.dtype, name=f"unpool{number}")([features, indices[number - 1]])
        last = 2 if number == 1 else 1
        counts = scaled(channels, width)
        for i, count in zip(range(last + len(counts) - 1, last - 1, -1), counts, strict=True):
            features = _convolution(features, count, f"{number}_{i}_decoder", style)
    return class_scores(features, classes, 3, "classifier", style)


def _convolution(features: Any, channels: int, name: str, style: LayerStyle) -> Any:
    """3 x 3 convolution, batch normalisation, ReLU: three of Keras' layers."""
    convolution = keras.layers.Conv2D(
        channels, 3, padding="same", kernel_initializer=style.initializer(f"conv{name}"), dtype=style.dtype
    )
    normalization = keras.layers.BatchNormalization(momentum=style.momentum, epsilon=1e-5, dtype=style.dtype)
    return keras.layers.ReLU(dtype=style.dtype)(normalization(convolution(features)))
