"""Which bands go to which encoder."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="eoseg")
class SelectBands(keras.layers.Layer):
    """Some bands of a picture, in a given order.

    Args:
        indices: Of the bands, from 0.

    Input shape:
        `(batch, height, width, bands)`.

    Output shape:
        `(batch, height, width, len(indices))` in the dtype of the input.
    """

    def __init__(self, indices: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.indices = [int(index) for index in indices]

    def call(self, inputs: Any) -> Any:
        """The chosen bands."""
        return ops.concatenate([inputs[..., index : index + 1] for index in self.indices], axis=-1)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """Shape and dtype of the chosen bands."""
        return keras.KerasTensor((*inputs.shape[:-1], len(self.indices)), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "indices": self.indices}
