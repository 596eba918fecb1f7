"""SegNet with the VGG-16 encoder layout, for one sensor or two.

Paper: V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", TPAMI 2017, https://arxiv.org/abs/1511.00561. Encoder: K. Simonyan, A. Zisserman,
https://arxiv.org/abs/1409.1556 (its 13 convolutions). He initialisation: https://arxiv.org/abs/1502.01852. For two
sensors, several scales and kernels: N. Audebert et al., https://arxiv.org/abs/1609.06846 and
https://arxiv.org/abs/1711.08681.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from components.encoders.style import LayerStyle, scaled
from components.segnet.blocks import decoder_stage
from components.segnet.branches import SelectBands
from components.segnet.encoders import fusenet_encoder, vfusenet_encoder, vgg_encoder
from components.segnet.heads import classifier, corrected, with_coarser_scales
from components.segnet.patch_size import check_size

DECODER_CHANNELS = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))
"""Output channels of the decoder's convolutions, in the order of computation; the classifier follows."""

COARSER_STRIDES = (2, 4, 8)
"""Of the decoder stages that deep supervision takes predictions from."""

Fusion = Literal["none", "fusenet", "vfusenet", "residual_correction"]
Unpooling = Literal["indices", "nearest"]


@dataclass(frozen=True)
class SegNetDesign:
    """The variants of SegNet.

    Attributes:
        width: Multiplies the channels of every convolution but the last.
        classifier_kernels: Kernel sizes of the last convolution; of several, their scores are averaged.
        unpooling: By the encoder's indices as in the paper, or by repeating values (for comparison).
        deep_supervision: Also predict at 1/2, 1/4 and 1/8 of the size, and add these to the full prediction.
        fusion: How two sensors are joined.
        branches: With fusion, (name, indices of its bands) of both sensors; the first is FuseNet's main one.
    """

    width: float = 1.0
    classifier_kernels: tuple[int, ...] = (3,)
    unpooling: Unpooling = "indices"
    deep_supervision: bool = False
    fusion: Fusion = "none"
    branches: tuple[tuple[str, tuple[int, ...]], ...] = ()


def segnet(features: Any, classes: int, style: LayerStyle, design: SegNetDesign = SegNetDesign()) -> dict[str, Any]:
    """SegNet applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        style: Momentum, dtype policy and seed of the layers. Keras' default momentum of 0.99 needs thousands of steps
            before the moving statistics are right: at 200 steps a small SegNet scored below the majority class. 0.9
            needs tens.
        design: Which variant.

    Returns:
        `logits`: `(batch, size, size, K)` float32. With deep supervision also `auxiliary_2`, `auxiliary_4` and
        `auxiliary_8` at these strides, or, with residual correction, `auxiliary_<branch>` of both streams at full size.

    Raises:
        NetworkError: If the poolings cannot halve the size five times.
    """
    for size in features.shape[1:3]:
        check_size(size)
    if design.fusion == "none":
        pooled, masks = vgg_encoder(features, design.width, style)
        return _decoded(pooled, masks, classes, style, design)
    names = [f"{name}_" for name, _ in design.branches]
    inputs = [
        SelectBands(indices, dtype=style.dtype, name=f"{name}_bands")(features) for name, indices in design.branches
    ]
    if design.fusion == "residual_correction":
        return _corrected_streams(inputs, names, classes, style, design)
    encoder = fusenet_encoder if design.fusion == "fusenet" else vfusenet_encoder
    pooled, masks = encoder(inputs[0], inputs[1], design.width, style, names)
    return _decoded(pooled, masks, classes, style, design)


def _decoder(
    features: Any, masks: Sequence[Any], style: LayerStyle, design: SegNetDesign, prefix: str = ""
) -> dict[int, Any]:
    """Features of the decoder by stride: 16, 8, 4, 2, 1."""
    found = {}
    for number, channels in zip(range(len(masks), 0, -1), DECODER_CHANNELS, strict=True):
        mask = masks[number - 1] if design.unpooling == "indices" else None
        features = decoder_stage(features, mask, scaled(channels, design.width), number, style, prefix)
        found[2 ** (number - 1)] = features
    return found


def _decoded(
    pooled: Any, masks: Sequence[Any], classes: int, style: LayerStyle, design: SegNetDesign
) -> dict[str, Any]:
    found = _decoder(pooled, masks, style, design)
    logits = classifier(found[1], classes, design.classifier_kernels, style)
    if not design.deep_supervision:
        return {"logits": logits}
    return with_coarser_scales(logits, {stride: found[stride] for stride in COARSER_STRIDES}, classes, style)


def _corrected_streams(
    inputs: Sequence[Any], prefixes: Sequence[str], classes: int, style: LayerStyle, design: SegNetDesign
) -> dict[str, Any]:
    """Two whole networks, and the correction of their mean."""
    logits, features = [], []
    for bands, prefix in zip(inputs, prefixes, strict=True):
        pooled, masks = vgg_encoder(bands, design.width, style, prefix)
        finest = _decoder(pooled, masks, style, design, prefix)[1]
        features.append(finest)
        logits.append(classifier(finest, classes, design.classifier_kernels, style, prefix))
    outputs = {"logits": corrected(logits, features, classes, style)}
    if design.deep_supervision:
        outputs |= {f"auxiliary_{name[:-1]}": scores for name, scores in zip(prefixes, logits, strict=True)}
    return outputs


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
        classes: Number of classes.
        width: Multiplies the channels of every convolution but the last.
        batch_norm_momentum: Of the moving statistics.
        dtype: Keras dtype policy of the layers, such as "float32" or "mixed_bfloat16".
        seed: Decides the initial weights.

    Input shape:
        `(batch, size, size, bands)` float32.

    Output shape:
        Logits `(batch, size, size, classes)` float32.

    Raises:
        NetworkError: If the poolings cannot halve the size five times.
    """
    image = keras.Input((size, size, bands), name="image")
    style = LayerStyle(momentum=batch_norm_momentum, dtype=dtype, seed=seed)
    outputs = segnet(image, classes, style, SegNetDesign(width=width))
    return keras.Model(image, outputs["logits"], name="segnet")
