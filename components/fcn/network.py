"""FCN-8s on a residual encoder.

Paper: J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
https://arxiv.org/abs/1411.4038. Scores of strides 32, 16 and 8 are added, each enlarged to the next, and the sum is
enlarged to the patch. The encoder is ResNet-50 in the place of VGG-16, and all enlargements are bilinear: the paper
found no gain in learning the last one, and starts the others so.
"""

from typing import Any

import keras

from components.encoders.features import EncoderName, encoder_features
from components.encoders.resampling import resize
from components.encoders.style import LayerStyle, class_scores
from components.fcn.patch_size import check_size


def fcn(
    features: Any, classes: int, style: LayerStyle, *, width: float = 1.0, encoder: EncoderName = "resnet50"
) -> dict[str, Any]:
    """FCN-8s applied to a symbolic tensor.

    Args:
        features: `(batch, size, size, bands)`, floating, normalised.
        classes: Number of classes K.
        style: Momentum, dtype policy and seed of the layers.
        width: Multiplies the encoder's channels.
        encoder: Which encoder.

    Returns:
        `logits`: `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the size is no multiple of 32.
    """
    height, width_pixels = features.shape[1:3]
    check_size(height)
    check_size(width_pixels)
    found = encoder_features(encoder, features, style, width=width)
    scores = class_scores(found[32], classes, 1, "score_32", style)
    for stride in (16, 8):
        larger = resize(scores, height // stride, width_pixels // stride, f"enlarged_to_{stride}", "float32")
        own = class_scores(found[stride], classes, 1, f"score_{stride}", style)
        scores = keras.layers.Add(dtype="float32", name=f"sum_{stride}")([larger, own])
    return {"logits": resize(scores, height, width_pixels, "logits", "float32")}
