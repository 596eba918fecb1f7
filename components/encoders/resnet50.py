"""ResNet-50 as an encoder: the layers of `keras.applications.ResNet50`, by the same names, with what it has no key for.

Paper: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385. Dilation in the place of stride: F. Yu, V. Koltun, T. Funkhouser, "Dilated Residual
Networks", CVPR 2017, https://arxiv.org/abs/1705.09914.

Keras' own function takes no dtype policy, no momentum for its batch normalisation, no dilation and no width; its
weights fit here layer by layer (`components.encoders.pretrained`).
"""

from typing import Any

import keras

from components.encoders.batch_norm import BatchNorm
from components.encoders.style import LayerStyle, scaled

_EPSILON = 1.001e-5  # of Keras' ResNet

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels inside the bottlenecks, and number of blocks, of stages conv2 to conv5."""

PREFIX = "encoder_"
"""Before the names of Keras' layers."""


def resnet50(features: Any, style: LayerStyle, *, width: float = 1.0, output_stride: int = 32) -> dict[int, Any]:
    """ResNet-50 without its classifier.

    Args:
        features: `(batch, size, size, bands)`, floating; size a multiple of `output_stride`.
        style: Of the network.
        width: Multiplies all channels.
        output_stride: 8, 16 or 32: stages beyond it keep their size, and their kernels are dilated instead.

    Returns:
        By stride: features of stride 2 (64 channels), 4 (256), 8 (512), 16 (1024) and 32 (2048), at width 1. Where
        `output_stride` is smaller, the deeper stages stand under their usual stride but have the size of that one.
    """
    (stem,) = scaled((64,), width)
    features = keras.layers.ZeroPadding2D(3, dtype=style.dtype, name=f"{PREFIX}conv1_pad")(features)
    features = _convolution(features, stem, 7, "conv1", style, strides=2, padding="valid")
    features = keras.layers.ReLU(dtype=style.dtype, name=f"{PREFIX}conv1_relu")(features)
    found = {2: features}
    features = keras.layers.ZeroPadding2D(1, dtype=style.dtype, name=f"{PREFIX}pool1_pad")(features)
    features = keras.layers.MaxPooling2D(3, strides=2, dtype=style.dtype, name=f"{PREFIX}pool1_pool")(features)
    reached, dilation = 4, 1
    for stage, (channels, blocks) in enumerate(STAGES, start=2):
        strides = 1
        if stage > 2:
            if reached < output_stride:
                strides, reached = 2, reached * 2
            else:
                dilation *= 2
        for block in range(1, blocks + 1):
            features = _bottleneck(
                features,
                scaled((channels,), width)[0],
                f"conv{stage}_block{block}",
                style,
                strides=strides if block == 1 else 1,
                dilation=dilation,
                projects=block == 1,
            )
        found[2**stage] = features
    return found


def _bottleneck(
    features: Any, channels: int, name: str, style: LayerStyle, *, strides: int, dilation: int, projects: bool
) -> Any:
    shortcut = features
    if projects:
        shortcut = _convolution(features, 4 * channels, 1, f"{name}_0", style, strides=strides)
    features = _convolution(features, channels, 1, f"{name}_1", style, strides=strides)
    features = keras.layers.ReLU(dtype=style.dtype, name=f"{PREFIX}{name}_1_relu")(features)
    features = _convolution(features, channels, 3, f"{name}_2", style, dilation=dilation)
    features = keras.layers.ReLU(dtype=style.dtype, name=f"{PREFIX}{name}_2_relu")(features)
    features = _convolution(features, 4 * channels, 1, f"{name}_3", style)
    features = keras.layers.Add(dtype=style.dtype, name=f"{PREFIX}{name}_add")([shortcut, features])
    return keras.layers.ReLU(dtype=style.dtype, name=f"{PREFIX}{name}_out")(features)


def _convolution(
    features: Any,
    channels: int,
    kernel: int,
    name: str,
    style: LayerStyle,
    *,
    strides: int = 1,
    dilation: int = 1,
    padding: str = "same",
) -> Any:
    """Convolution (with the bias that Keras' has) and batch normalisation."""
    features = keras.layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        kernel_initializer=style.initializer(f"{PREFIX}{name}_conv"),
        dtype=style.dtype,
        name=f"{PREFIX}{name}_conv",
    )(features)
    return BatchNorm(momentum=style.momentum, epsilon=_EPSILON, dtype=style.dtype, name=f"{PREFIX}{name}_bn")(features)
