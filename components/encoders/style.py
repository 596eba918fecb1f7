"""What all layers of one network have in common, and the block that most of them are made of."""

import zlib
from dataclasses import dataclass
from typing import Any

import keras

from components.encoders.batch_norm import BatchNorm


@dataclass(frozen=True)
class LayerStyle:
    """What all layers of one network share.

    Attributes:
        momentum: Of batch normalisation's moving mean and variance.
        dtype: Keras dtype policy, such as "float32" or "mixed_bfloat16".
        seed: Decides the initial weights.
    """

    momentum: float
    dtype: str
    seed: int

    def initializer(self, layer: str) -> keras.initializers.Initializer:
        """He initialisation from this style's seed and the layer's name; no global random state is touched."""
        return keras.initializers.HeNormal(seed=self.layer_seed(layer))

    def layer_seed(self, layer: str) -> int:
        """A seed for one layer: it depends on the layer's name, not on how many layers were made before it."""
        return (self.seed + zlib.crc32(layer.encode())) % 2**31


def scaled(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Channels times `width`, rounded to a multiple of 8 (a vector register of the CPUs at hand), at least 8."""
    return tuple(max(8, 8 * round(count * width / 8)) for count in channels)


def conv_norm_relu(
    features: Any, channels: int, kernel: int, name: str, style: LayerStyle, *, dilation: int = 1
) -> Any:
    """Convolution without bias (batch normalisation would cancel it), batch normalisation, ReLU.

    Args:
        features: `(batch, height, width, any)`.
        channels: Of the result.
        kernel: Pixels a side.
        name: Of the convolution; the normalisation is `{name}_norm`.
        style: Of the network.
        dilation: Distance between the pixels that the kernel sees.

    Returns:
        `(batch, height, width, channels)`.
    """
    features = keras.layers.Conv2D(
        channels,
        kernel,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer=style.initializer(name),
        dtype=style.dtype,
        name=name,
    )(features)
    features = BatchNorm(momentum=style.momentum, epsilon=1e-5, dtype=style.dtype, name=f"{name}_norm")(features)
    return keras.layers.ReLU(dtype=style.dtype, name=f"{name}_relu")(features)


def class_scores(features: Any, classes: int, kernel: int, name: str, style: LayerStyle) -> Any:
    """A convolution with bias to one score a class, in float32 whatever the policy: the loss exponentiates them."""
    return keras.layers.Conv2D(
        classes, kernel, padding="same", kernel_initializer=style.initializer(name), dtype="float32", name=name
    )(features)
