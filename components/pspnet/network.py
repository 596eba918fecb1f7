"""PSPNet: means over 1, 2, 3 and 6 cells a side beside dilated features.

Paper: H. Zhao, J. Shi, X. Qi, X. Wang, J. Jia, "Pyramid Scene Parsing Network", CVPR 2017,
https://arxiv.org/abs/1612.01105: ResNet with stride 8, pyramid of four levels each reduced to a quarter of the
channels, a 3 x 3 convolution to 512 channels, dropout 0.1, and an auxiliary classifier on stage conv4.
"""

from typing import Any

import keras

from components.encoders.features import EncoderName, encoder_features
from components.encoders.resampling import AdaptiveAveragePooling, resize
from components.encoders.style import LayerStyle, class_scores, conv_norm_relu, scaled
from components.pspnet.patch_size import check_size

BINS = (1, 2, 3, 6)
"""Cells a side of the pyramid's levels."""

HEAD_CHANNELS, AUXILIARY_CHANNELS = 512, 256


def pspnet(
    features: Any,
    classes: int,
    style: LayerStyle,
    *,
    width: float = 1.0,
    encoder: EncoderName = "resnet50",
    output_stride: int = 8,
    deep_supervision: bool = False,
) -> dict[str, Any]:
    """PSPNet applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        style: Momentum, dtype policy and seed of the layers.
        width: Multiplies all channels but the classes.
        encoder: Which encoder.
        output_stride: 8 as in the paper; 16 costs a quarter in the last stages.
        deep_supervision: Adds the auxiliary classifier.

    Returns:
        `logits`: `(batch, size, size, K)` float32; with deep supervision also `auxiliary_<stride>`:
        `(batch, size / stride, size / stride, K)` float32, which only training needs.

    Raises:
        NetworkError: If the size is no multiple of the stride.
    """
    height, width_pixels = features.shape[1:3]
    check_size(height, output_stride)
    check_size(width_pixels, output_stride)
    found = encoder_features(encoder, features, style, width=width, output_stride=output_stride)
    deepest = found[32]
    rows, cols, channels = deepest.shape[1:]
    levels = [deepest]
    for bins in BINS:
        cells = AdaptiveAveragePooling(bins, bins, dtype=style.dtype, name=f"pyramid{bins}_mean")(deepest)
        cells = conv_norm_relu(cells, max(8, channels // len(BINS)), 1, f"pyramid{bins}_conv", style)
        levels.append(resize(cells, rows, cols, f"pyramid{bins}_enlarged", style.dtype))
    together = keras.layers.Concatenate(dtype=style.dtype, name="pyramid")(levels)
    (head_channels, auxiliary_channels) = scaled((HEAD_CHANNELS, AUXILIARY_CHANNELS), width)
    together = conv_norm_relu(together, head_channels, 3, "head_conv", style)
    together = keras.layers.Dropout(0.1, seed=style.layer_seed("dropout"), dtype=style.dtype, name="dropout")(together)
    scores = class_scores(together, classes, 1, "classifier", style)
    outputs = {"logits": resize(scores, height, width_pixels, "logits", "float32")}
    if deep_supervision:
        inner = conv_norm_relu(found[16], auxiliary_channels, 3, "auxiliary_conv", style)
        stride = min(16, output_stride)
        outputs[f"auxiliary_{stride}"] = class_scores(inner, classes, 1, f"auxiliary_{stride}", style)
    return outputs
