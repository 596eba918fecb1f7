"""Max pooling that remembers where each maximum stood, and its inverse.

For every 2 x 2 window and every channel SegNet's encoder keeps the position of the maximum; the decoder puts each
value back there and fills the other three places with zeros.

    pool:    mask = one_hot(argmax(window))        pooled = sum(window * mask)
    unpool:  window = value * mask

The mask has the shape of the unpooled picture, so that neither direction gathers or scatters: every sample is on its
own, the gradient is the mask itself, and XLA fuses both into their neighbours. `tf.nn.max_pool_with_argmax` with
`tf.scatter_nd` counts its indices across the batch, is not differentiable twice and does not compile under XLA on CPUs.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="eoseg")
class MaxPoolWithMask(keras.layers.Layer):
    """2 x 2 max pooling, stride 2, that also gives the mask of the maxima.

    Of equal values the first in reading order is the maximum, as in the reference implementation in Caffe.

    Paper: SegNet, https://arxiv.org/abs/1511.00561, section 3 and figure 3.

    Input shape:
        `(batch, height, width, channels)`, floating; height and width even.

    Output shape:
        pooled `(batch, height / 2, width / 2, channels)` in the dtype of the input;
        mask `(batch, height, width, channels)` bool, one True in each 2 x 2 window.

    Raises:
        ValueError: If height or width is not a known, even number.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the shape."""
        height, width = input_shape[1:3]
        if height is None or width is None or height % 2 or width % 2:
            raise ValueError(
                f"{self.name} received a picture of {height} x {width} pixels; expected known, even numbers: "
                "choose a patch size that every pooling can halve"
            )
        self.built = True

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """(pooled, mask)."""
        _, height, width, channels = inputs.shape
        windows = ops.reshape(inputs, (-1, height // 2, 2, width // 2, 2, channels))
        corners = ops.reshape(ops.transpose(windows, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, 4, channels))
        index = ops.argmax(corners, axis=3)
        places = ops.reshape(ops.arange(4, dtype=index.dtype), (1, 1, 2, 1, 2, 1))
        mask = ops.equal(ops.expand_dims(index, (2, 4)), places)
        pooled = ops.sum(windows * ops.cast(mask, inputs.dtype), axis=(2, 4))
        return pooled, ops.reshape(mask, (-1, height, width, channels))

    def compute_output_spec(self, inputs: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Shapes and dtypes of (pooled, mask)."""
        batch, height, width, channels = inputs.shape
        return (
            keras.KerasTensor((batch, height // 2, width // 2, channels), dtype=inputs.dtype),
            keras.KerasTensor(inputs.shape, dtype="bool"),
        )


@keras.saving.register_keras_serializable(package="eoseg")
class UnpoolWithMask(keras.layers.Layer):
    """Puts each value where the mask says its maximum stood, zeros elsewhere; the inverse of `MaxPoolWithMask`.

    Input shape:
        A list: values `(batch, height, width, channels)`, floating;
        mask `(batch, 2 * height, 2 * width, channels)` bool.

    Output shape:
        `(batch, 2 * height, 2 * width, channels)` in the dtype of the values.
    """

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Checks the shapes."""
        values_shape, mask_shape = input_shape
        _, height, width, channels = values_shape
        if height is None or width is None or tuple(mask_shape[1:]) != (2 * height, 2 * width, channels):
            raise ValueError(
                f"{self.name} received values {tuple(values_shape)} with a mask {tuple(mask_shape)}; "
                "expected a mask of twice the height and width and as many channels"
            )
        self.built = True

    def call(self, inputs: Sequence[Any]) -> Any:
        """Unpooled values of (values, mask)."""
        values, mask = inputs
        _, height, width, channels = values.shape
        windows = ops.reshape(ops.cast(mask, values.dtype), (-1, height, 2, width, 2, channels))
        spread = ops.expand_dims(values, (2, 4)) * windows
        return ops.reshape(spread, (-1, 2 * height, 2 * width, channels))

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """Shape and dtype of the unpooled values."""
        values, mask = inputs
        return keras.KerasTensor(mask.shape, dtype=values.dtype)
