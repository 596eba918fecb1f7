"""The first layer of every network: the sensor's own numbers to numbers around zero."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="eoseg")
class InputNormalization(keras.layers.Layer):
    """Subtracts each band's mean and divides by its standard deviation.

    Both are saved with the layer, so that clients send what the sensor wrote. Pixels that are no number become the
    mean, and values are cut at `LIMIT` deviations: nodata markers such as -9999 would otherwise drown their
    neighbourhood, and NaN would spread over the whole patch.

    Args:
        mean: Of each band.
        stddev: Of each band; zero (a constant band) counts as one.

    Input shape:
        `(batch, height, width, bands)` in any numeric dtype.

    Output shape:
        The same shape in the layer's compute dtype.

    Raises:
        ValueError: If mean and stddev are not equally long.
    """

    LIMIT = 10.0

    def __init__(self, mean: Sequence[float], stddev: Sequence[float], **kwargs: Any) -> None:
        # Autocast would squeeze uint16-sized floats into bfloat16 before the mean is taken off.
        super().__init__(autocast=False, **kwargs)
        if len(mean) != len(stddev):
            raise ValueError(f"received {len(mean)} means and {len(stddev)} deviations; expected one of each a band")
        self.mean = [float(value) for value in mean]
        self.stddev = [float(value) for value in stddev]

    def call(self, inputs: Any) -> Any:
        """Normalised bands."""
        pixels = ops.cast(inputs, "float32")
        mean = ops.convert_to_tensor(self.mean, dtype="float32")
        scale = ops.convert_to_tensor([1.0 / (value or 1.0) for value in self.stddev], dtype="float32")
        normalized = (pixels - mean) * scale
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            normalized = ops.where(ops.isfinite(normalized), normalized, 0.0)
        return ops.cast(ops.clip(normalized, -self.LIMIT, self.LIMIT), self.compute_dtype)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Shape and dtype of the normalised bands."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}
