"""The stages SegNet is made of: convolutions with batch normalisation, then pooling; unpooling, then convolutions."""

from collections.abc import Sequence
from typing import Any

import keras

from components.encoders.batch_norm import BatchNorm
from components.encoders.style import LayerStyle
from components.segnet.pooling import MaxPoolWithMask, UnpoolWithMask


def convolution(features: Any, channels: int, name: str, style: LayerStyle, prefix: str = "") -> Any:
    """3 x 3 convolution, batch normalisation, ReLU.

    The convolution keeps its bias although batch normalisation cancels it: the reference network has it, so that its
    29.45 M parameters and its published weights fit.

    Args:
        features: `(batch, height, width, any)`.
        channels: Of the result.
        name: The layer's place, such as "1_2" or "1_2_decoder".
        style: Of the network.
        prefix: Before the layers' names, where a network has several encoders.

    Returns:
        `(batch, height, width, channels)`.
    """
    layer = f"{prefix}conv{name}"
    features = keras.layers.Conv2D(
        channels, 3, padding="same", kernel_initializer=style.initializer(layer), dtype=style.dtype, name=layer
    )(features)
    features = BatchNorm(momentum=style.momentum, epsilon=1e-5, dtype=style.dtype, name=f"{prefix}norm{name}")(features)
    return keras.layers.ReLU(dtype=style.dtype, name=f"{prefix}relu{name}")(features)


def encoder_convolutions(
    features: Any, channels: Sequence[int], number: int, style: LayerStyle, prefix: str = ""
) -> Any:
    """Convolutions of one encoder stage, with the given channels; height and width stay."""
    for i, count in enumerate(channels, start=1):
        features = convolution(features, count, f"{number}_{i}", style, prefix)
    return features


def pool(features: Any, number: int, style: LayerStyle, prefix: str = "") -> tuple[Any, Any]:
    """Features at half the height and width, and the mask for the decoder's unpooling."""
    pooled, mask = MaxPoolWithMask(dtype=style.dtype, name=f"{prefix}pool{number}")(features)
    return pooled, mask


def plain_pool(features: Any, number: int, style: LayerStyle, prefix: str = "") -> Any:
    """Features at half the height and width, where nobody needs the mask."""
    return keras.layers.MaxPooling2D(2, dtype=style.dtype, name=f"{prefix}pool{number}")(features)


def decoder_stage(
    features: Any, mask: Any, channels: Sequence[int], number: int, style: LayerStyle, prefix: str = ""
) -> Any:
    """Unpooling at the encoder's maxima, then convolutions with the given channels.

    Layer names count down as in the reference network: `conv5_3_decoder` undoes `conv5_3`.

    Args:
        features: `(batch, height, width, any)`.
        mask: Of the encoder's pooling; None repeats every value four times instead (for comparison: without indices).
        channels: Of the convolutions.
        number: Of the stage.
        style: Of the network.
        prefix: Before the layers' names, where a network has several decoders.

    Returns:
        Features at twice the height and width.
    """
    if mask is None:
        features = keras.layers.UpSampling2D(2, dtype=style.dtype, name=f"{prefix}unpool{number}")(features)
    else:
        features = UnpoolWithMask(dtype=style.dtype, name=f"{prefix}unpool{number}")([features, mask])
    # The first decoder stage is one convolution short: the classifier takes the place of conv1_1_decoder.
    last = 2 if number == 1 else 1
    for i, count in zip(range(last + len(channels) - 1, last - 1, -1), channels, strict=True):
        features = convolution(features, count, f"{number}_{i}_decoder", style, prefix)
    return features
