"""Bilinear resizing and adaptive average pooling, each as two products with constant matrices.

Along one side both are linear maps from the pixels there to the pixels wanted, so a picture is resampled by

    resampled = rows @ picture @ columns.T

Written so, they run alike on every Keras backend, compile under XLA, and have a deterministic gradient: the resizing
operations of the frameworks differ in where they put pixel centres, and TensorFlow's gradient adds in random order on
GPUs. The matrices are small beside a network's convolutions.
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def bilinear_matrix(source: int, target: int) -> NDArray[np.float32]:
    """`(target, source)`: interpolation between pixel centres, edges repeated (`align_corners=False`).

    Pixel i of the target lies at (i + 1/2) * source / target - 1/2 of the source.
    """
    place = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    below = np.floor(place).astype(int)
    share = place - below
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    matrix[rows, below] += 1 - share
    matrix[rows, np.minimum(below + 1, source - 1)] += share
    return matrix.astype(np.float32)


def average_matrix(source: int, bins: int) -> NDArray[np.float32]:
    """`(bins, source)`: bin i is the mean of pixels floor(i * source / bins) to ceil((i + 1) * source / bins) - 1."""
    matrix = np.zeros((bins, source))
    for i in range(bins):
        start, stop = i * source // bins, -(-(i + 1) * source // bins)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix.astype(np.float32)


class _Resample(keras.layers.Layer):
    """Base of both layers: resamples to `(height, width)` pixels."""

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width

    @staticmethod
    def matrix(source: int, target: int) -> NDArray[np.float32]:
        """`(target, source)`."""
        raise NotImplementedError  # each layer has its own

    def call(self, inputs: Any) -> Any:
        """The resampled picture."""
        _, height, width, _ = inputs.shape
        dtype = self.compute_dtype
        rows = ops.convert_to_tensor(self.matrix(height, self.height), dtype=dtype)
        columns = ops.convert_to_tensor(self.matrix(width, self.width), dtype=dtype)
        return ops.einsum("ab,nbcd,ec->naed", rows, inputs, columns)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Shape and dtype of the resampled picture."""
        batch, height, width, channels = inputs.shape
        if height is None or width is None:
            raise ValueError(
                f"{self.name} received a picture of unknown size {tuple(inputs.shape)}; expected a fixed height and "
                "width: give the network a fixed patch size"
            )
        return keras.KerasTensor((batch, self.height, self.width, channels), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "height": self.height, "width": self.width}


@keras.saving.register_keras_serializable(package="eoseg")
class BilinearResize(_Resample):
    """Bilinear interpolation to `(height, width)` pixels.

    Input shape:
        `(batch, any, any, channels)`, floating, of known height and width.

    Output shape:
        `(batch, height, width, channels)` in the compute dtype.
    """

    @staticmethod
    def matrix(source: int, target: int) -> NDArray[np.float32]:
        """See `bilinear_matrix`."""
        return bilinear_matrix(source, target)


@keras.saving.register_keras_serializable(package="eoseg")
class AdaptiveAveragePooling(_Resample):
    """Means over `height` x `width` cells that cover the picture; cells overlap where the size is no multiple.

    Input shape:
        `(batch, any, any, channels)`, floating, of known height and width.

    Output shape:
        `(batch, height, width, channels)` in the compute dtype.
    """

    @staticmethod
    def matrix(source: int, target: int) -> NDArray[np.float32]:
        """See `average_matrix`."""
        return average_matrix(source, target)


def resize(features: Any, height: int, width: int, name: str, dtype: str) -> Any:
    """`BilinearResize`, or the features themselves where they have that size already."""
    if tuple(features.shape[1:3]) == (height, width):
        return features
    return BilinearResize(height, width, dtype=dtype, name=name)(features)
