"""U-Net, with batch normalisation and padding that keeps the size.

Paper: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI
2015, https://arxiv.org/abs/1505.04597. Unlike there, convolutions are padded, so that the map is as large as the patch,
and followed by batch normalisation (S. Ioffe, C. Szegedy, https://arxiv.org/abs/1502.03167), so that it trains from
He initialisation in short runs; the paper's drop-out at the end of the encoder is left out, as is usual with it.
"""

from typing import Any

import keras

from components.encoders.features import EncoderName, encoder_features
from components.encoders.style import LayerStyle, class_scores, conv_norm_relu, scaled
from components.unet.patch_size import check_size

CHANNELS = (64, 128, 256, 512, 1024)
"""Of the paper's five levels, at width 1; the decoder has them in reverse."""

ENCODER_DECODER_CHANNELS = (256, 128, 64, 32, 16)
"""Of the decoder's levels over an encoder of strides 32 to 2, from the coarsest up."""


def unet(
    features: Any, classes: int, style: LayerStyle, *, width: float = 1.0, encoder: EncoderName | None = None
) -> dict[str, Any]:
    """U-Net applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        style: Momentum, dtype policy and seed of the layers.
        width: Multiplies the channels of every convolution but the last.
        encoder: None is the paper's own; another gives the skip connections of strides 2 to 32.

    Returns:
        `logits`: `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the size cannot be halved often enough.
    """
    for size in features.shape[1:3]:
        check_size(size, encoder)
    if encoder is None:
        skips = _paper_encoder(features, style, width)
        channels = scaled(CHANNELS[-2::-1], width)
    else:
        found = encoder_features(encoder, features, style, width=width)
        # The picture itself has no features of its own: the last level goes up without a skip connection.
        skips = [None, *(found[stride] for stride in sorted(found))]
        channels = scaled(ENCODER_DECODER_CHANNELS, width)
    features = skips.pop()
    for level, count in zip(range(len(skips), 0, -1), channels, strict=True):
        features = keras.layers.Conv2DTranspose(
            count,
            2,
            strides=2,
            kernel_initializer=style.initializer(f"decoder{level}_up"),
            dtype=style.dtype,
            name=f"decoder{level}_up",
        )(features)
        skip = skips.pop()
        if skip is not None:
            features = keras.layers.Concatenate(dtype=style.dtype, name=f"decoder{level}_skip")([skip, features])
        for i in (1, 2):
            features = conv_norm_relu(features, count, 3, f"decoder{level}_conv{i}", style)
    return {"logits": class_scores(features, classes, 1, "classifier", style)}


def _paper_encoder(features: Any, style: LayerStyle, width: float) -> list[Any]:
    """Features of strides 1, 2, 4, 8 and 16."""
    found = []
    for level, count in enumerate(scaled(CHANNELS, width), start=1):
        if level > 1:
            features = keras.layers.MaxPooling2D(2, dtype=style.dtype, name=f"encoder_pool{level}")(features)
        for i in (1, 2):
            features = conv_norm_relu(features, count, 3, f"encoder_level{level}_conv{i}", style)
        found.append(features)
    return found
