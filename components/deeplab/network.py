"""DeepLabV3+: atrous convolutions side by side, and a decoder that brings back the edges.

Paper: L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam, "Encoder-Decoder with Atrous Separable Convolution for
Semantic Image Segmentation", ECCV 2018, https://arxiv.org/abs/1802.02611; the pooling of image features beside the
atrous convolutions: L.-C. Chen et al., https://arxiv.org/abs/1706.05587.
Rates 6, 12 and 18 at stride 16, doubled at stride 8 and, so that they span as much of the ground, halved at stride 32;
features of stride 4 reduced to 48 channels; two 3 x 3 convolutions of 256 channels. Convolutions are ordinary ones: the
paper's separable ones come with its Xception.
"""

from typing import Any

import keras

from components.deeplab.patch_size import check_size
from components.encoders.features import EncoderName, encoder_features
from components.encoders.resampling import AdaptiveAveragePooling, resize
from components.encoders.style import LayerStyle, class_scores, conv_norm_relu, scaled

RATES = (6, 12, 18)
"""Of the atrous convolutions at stride 16."""

CHANNELS, EDGE_CHANNELS = 256, 48


def deeplabv3plus(
    features: Any,
    classes: int,
    style: LayerStyle,
    *,
    width: float = 1.0,
    encoder: EncoderName = "resnet50",
    output_stride: int = 16,
) -> dict[str, Any]:
    """DeepLabV3+ applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        style: Momentum, dtype policy and seed of the layers.
        width: Multiplies all channels but the classes.
        encoder: Which encoder.
        output_stride: 16, or 8: finer features for three to four times the work of the last stages; or 32.

    Returns:
        `logits`: `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the size is no multiple of the stride.
    """
    height, width_pixels = features.shape[1:3]
    check_size(height, output_stride)
    check_size(width_pixels, output_stride)
    found = encoder_features(encoder, features, style, width=width, output_stride=output_stride)
    (channels, edge_channels) = scaled((CHANNELS, EDGE_CHANNELS), width)
    edges = found[4]
    rows, cols = edges.shape[1:3]
    context = _atrous_pyramid(found[32], channels, output_stride, style)
    context = resize(context, rows, cols, "context_enlarged", style.dtype)
    edges = conv_norm_relu(edges, edge_channels, 1, "edges", style)
    joined = keras.layers.Concatenate(dtype=style.dtype, name="decoder")([context, edges])
    for i in (1, 2):
        joined = conv_norm_relu(joined, channels, 3, f"decoder_conv{i}", style)
    scores = class_scores(joined, classes, 1, "classifier", style)
    return {"logits": resize(scores, height, width_pixels, "logits", "float32")}


def _atrous_pyramid(features: Any, channels: int, output_stride: int, style: LayerStyle) -> Any:
    """ASPP: a point, three rings and the whole picture, side by side, then mixed."""
    rows, cols = features.shape[1:3]
    branches = [conv_norm_relu(features, channels, 1, "aspp_point", style)]
    for rate in RATES:
        dilation = rate * 16 // output_stride
        branches.append(conv_norm_relu(features, channels, 3, f"aspp_rate{rate}", style, dilation=dilation))
    whole = AdaptiveAveragePooling(1, 1, dtype=style.dtype, name="aspp_mean")(features)
    whole = conv_norm_relu(whole, channels, 1, "aspp_whole", style)
    branches.append(resize(whole, rows, cols, "aspp_spread", style.dtype))
    mixed = keras.layers.Concatenate(dtype=style.dtype, name="aspp")(branches)
    mixed = conv_norm_relu(mixed, channels, 1, "aspp_mixed", style)
    return keras.layers.Dropout(0.1, seed=style.layer_seed("dropout"), dtype=style.dtype, name="dropout")(mixed)
