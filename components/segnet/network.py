"""SegNet with the VGG-16 encoder layout.

Paper: V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", TPAMI 2017, https://arxiv.org/abs/1511.00561. Encoder: K. Simonyan, A. Zisserman,
https://arxiv.org/abs/1409.1556 (its 13 convolutions). He initialisation: https://arxiv.org/abs/1502.01852.
"""

from typing import Any

import keras

from components.errors import NetworkError
from components.segnet.blocks import BlockStyle, decoder_stage, encoder_stage

ENCODER_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the encoder's convolutions, stage by stage, at width 1."""

DECODER_CHANNELS = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))
"""The same for the decoder, in the order of computation; the classifier follows."""

STRIDE = 2 ** len(ENCODER_CHANNELS)
"""Pixels of the patch to one value behind the last pooling, along one side."""


def scaled(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Channels times `width`, rounded to a multiple of 8 (a vector register of the CPUs at hand), at least 8."""
    return tuple(max(8, 8 * round(count * width / 8)) for count in channels)


def check_size(size: int) -> None:
    """Refuses patch sizes that the five poolings cannot halve.

    Raises:
        NetworkError: If `size` (pixels a side) is not a multiple of 32; it names the nearest sizes that are.
    """
    if size > 0 and size % STRIDE == 0:
        return
    below = max(size // STRIDE, 1) * STRIDE
    fitting = f"{below} or {below + STRIDE}" if size > STRIDE else f"{STRIDE}"
    raise NetworkError(
        f"SegNet cannot take patches of {size} px: its five poolings halve the patch five times",
        f"a multiple of {STRIDE} px",
        f"set patches.size to {fitting}",
    )


def segnet(
    features: Any,
    classes: int,
    *,
    width: float = 1.0,
    batch_norm_momentum: float = 0.9,
    dtype: str = "float32",
    seed: int = 0,
) -> Any:
    """SegNet applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        width: Multiplies the channels of every convolution but the last.
        batch_norm_momentum: Keras' default of 0.99 needs thousands of steps before the moving statistics are right:
            at 200 steps a small SegNet scored below the majority class. 0.9 needs tens.
        dtype: Keras dtype policy of the layers, such as "float32" or "mixed_bfloat16".
        seed: Decides the initial weights.

    Returns:
        Logits `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the poolings cannot halve the size five times.
    """
    height, width_pixels = features.shape[1:3]
    check_size(height)
    check_size(width_pixels)
    style = BlockStyle(momentum=batch_norm_momentum, dtype=dtype, seed=seed)
    masks = []
    for number, channels in enumerate(ENCODER_CHANNELS, start=1):
        features, mask = encoder_stage(features, scaled(channels, width), number, style)
        masks.append(mask)
    for number, channels in zip(range(len(masks), 0, -1), DECODER_CHANNELS, strict=True):
        features = decoder_stage(features, masks.pop(), scaled(channels, width), number, style)
    # Logits stay float32 under mixed precision: the loss exponentiates them.
    return keras.layers.Conv2D(
        classes,
        3,
        padding="same",
        kernel_initializer=style.initializer("classifier"),
        dtype="float32",
        name="classifier",
    )(features)


def build_segnet(
    size: int,
    bands: int,
    classes: int,
    *,
    width: float = 1.0,
    batch_norm_momentum: float = 0.9,
    dtype: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """SegNet as a model of its own, for normalised images.

    Use:
        build_segnet(256, bands=3, classes=6, width=0.25)

    Args:
        size: Pixels a side of the patch.
        bands: Number of bands.
        classes, width, batch_norm_momentum, dtype, seed: As `segnet`.

    Input shape:
        `(batch, size, size, bands)` float32.

    Output shape:
        Logits `(batch, size, size, classes)` float32.

    Raises:
        NetworkError: If the poolings cannot halve the size five times.
    """
    image = keras.Input((size, size, bands), name="image")
    logits = segnet(image, classes, width=width, batch_norm_momentum=batch_norm_momentum, dtype=dtype, seed=seed)
    return keras.Model(image, logits, name="segnet")
