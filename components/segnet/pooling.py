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
        rows = (-1, height // 2, 2, width // 2, 2 * channels)
        mask = _first_maxima(ops.reshape(ops.stop_gradient(inputs), rows))
        upper, lower = ops.split(ops.reshape(inputs, rows) * ops.cast(mask, inputs.dtype), 2, axis=2)
        left, right = ops.split(upper + lower, 2, axis=-1)
        pooled = ops.reshape(left + right, (-1, height // 2, width // 2, channels))
        return pooled, ops.reshape(mask, (-1, height, width, channels))

    def compute_output_spec(self, inputs: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Shapes and dtypes of (pooled, mask)."""
        batch, height, width, channels = inputs.shape
        return (
            keras.KerasTensor((batch, height // 2, width // 2, channels), dtype=inputs.dtype),
            keras.KerasTensor(inputs.shape, dtype="bool"),
        )


def _first_maxima(rows: Any) -> Any:
    """Where the first maximum of each window of 2 x 2 stands.

    Args:
        rows: `(batch, height / 2, 2, width / 2, 2 * channels)`: two neighbouring pixels side by side. Five comparisons
            of such quarters, and cutting in place of gathering, cost a fraction of a transposition and an argmax.

    Returns:
        bool of the same shape.
    """
    upper, lower = ops.split(rows, 2, axis=2)
    (first, second), (third, fourth) = ops.split(upper, 2, axis=-1), ops.split(lower, 2, axis=-1)
    above = ops.greater_equal(ops.maximum(first, second), ops.maximum(third, fourth))
    below = ops.logical_not(above)
    is_first = ops.logical_and(above, ops.greater_equal(first, second))
    is_third = ops.logical_and(below, ops.greater_equal(third, fourth))
    is_second, is_fourth = ops.logical_xor(above, is_first), ops.logical_xor(below, is_third)
    return ops.concatenate(
        [ops.concatenate([is_first, is_second], axis=-1), ops.concatenate([is_third, is_fourth], axis=-1)], axis=2
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
        windows = ops.reshape(ops.cast(mask, values.dtype), (-1, height, 2, width, 2 * channels))
        # Copies laid side by side, for a product without broadcasting: TensorFlow sums its gradient faster.
        twice = ops.concatenate([values, values], axis=-1)
        spread = ops.stack([twice, twice], axis=2) * windows
        return ops.reshape(spread, (-1, 2 * height, 2 * width, channels))

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """Shape and dtype of the unpooled values."""
        values, mask = inputs
        return keras.KerasTensor(mask.shape, dtype=values.dtype)
