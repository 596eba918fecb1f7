"""The stages SegNet is made of: convolutions with batch normalisation, then pooling; unpooling, then convolutions."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from components.segnet.pooling import MaxPoolWithMask, UnpoolWithMask


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of one network share.

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
        return keras.initializers.HeNormal(seed=(self.seed + zlib.crc32(layer.encode())) % 2**31)


def convolution(features: Any, channels: int, name: str, style: BlockStyle) -> Any:
    """3 x 3 convolution, batch normalisation, ReLU.

    The convolution keeps its bias although batch normalisation cancels it: the reference network has it, so that its
    29.45 M parameters and its published weights fit.

    Returns:
        `(batch, height, width, channels)`, for features of the same height and width.
    """
    layer = f"conv{name}"
    features = keras.layers.Conv2D(
        channels, 3, padding="same", kernel_initializer=style.initializer(layer), dtype=style.dtype, name=layer
    )(features)
    features = keras.layers.BatchNormalization(
        momentum=style.momentum, epsilon=1e-5, dtype=style.dtype, name=f"norm{name}"
    )(features)
    return keras.layers.ReLU(dtype=style.dtype, name=f"relu{name}")(features)


def encoder_stage(features: Any, channels: Sequence[int], number: int, style: BlockStyle) -> tuple[Any, Any]:
    """Convolutions with the given channels, then pooling.

    Returns:
        Features at half the height and width, and the mask for the decoder's unpooling.
    """
    for i, count in enumerate(channels, start=1):
        features = convolution(features, count, f"{number}_{i}", style)
    pooled, mask = MaxPoolWithMask(dtype=style.dtype, name=f"pool{number}")(features)
    return pooled, mask


def decoder_stage(features: Any, mask: Any, channels: Sequence[int], number: int, style: BlockStyle) -> Any:
    """Unpooling at the encoder's maxima, then convolutions with the given channels.

    Layer names count down as in the reference network: `conv5_3_decoder` undoes `conv5_3`.

    Returns:
        Features at twice the height and width.
    """
    features = UnpoolWithMask(dtype=style.dtype, name=f"unpool{number}")([features, mask])
    # The first decoder stage is one convolution short: the classifier takes the place of conv1_1_decoder.
    last = 2 if number == 1 else 1
    for i, count in zip(range(last + len(channels) - 1, last - 1, -1), channels, strict=True):
        features = convolution(features, count, f"{number}_{i}_decoder", style)
    return features
