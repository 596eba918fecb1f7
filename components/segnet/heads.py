"""What stands behind SegNet's decoders: classifiers of one or several kernel sizes, scales and streams.

Papers: N. Audebert, B. Le Saux, S. Lefèvre, "Semantic Segmentation of Earth Observation Data Using Multimodal and
Multi-scale Deep Networks", ACCV 2016, https://arxiv.org/abs/1609.06846 (several kernels, residual correction);
"Beyond RGB", ISPRS 2018, https://arxiv.org/abs/1711.08681 (several scales).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from components.encoders.resampling import resize
from components.encoders.style import LayerStyle, class_scores, conv_norm_relu


def classifier(features: Any, classes: int, kernels: Sequence[int], style: LayerStyle, prefix: str = "") -> Any:
    """The last convolution; of several kernel sizes, the mean of what each gives.

    Returns:
        Logits `(batch, height, width, classes)` float32.
    """
    if len(kernels) == 1:
        return class_scores(features, classes, kernels[0], f"{prefix}classifier", style)
    scores = [class_scores(features, classes, kernel, f"{prefix}classifier_{kernel}", style) for kernel in kernels]
    return keras.layers.Average(dtype="float32", name=f"{prefix}classifier")(scores)


def with_coarser_scales(logits: Any, coarser: Mapping[int, Any], classes: int, style: LayerStyle) -> dict[str, Any]:
    """Adds the predictions of coarser decoder stages, enlarged, to the finest.

        logits = finest + enlarged(at 1/2) + enlarged(at 1/4) + enlarged(at 1/8)

    Args:
        logits: The finest prediction, `(batch, size, size, classes)`.
        coarser: Decoder features by stride.
        classes: Number of classes.
        style: Of the network.

    Returns:
        `logits`, and the coarser predictions `auxiliary_<stride>` `(batch, size / stride, size / stride, classes)`,
        all float32.
    """
    height, width = logits.shape[1:3]
    outputs, terms = {}, [logits]
    for stride, features in sorted(coarser.items()):
        name = f"auxiliary_{stride}"
        outputs[name] = class_scores(features, classes, 3, name, style)
        terms.append(resize(outputs[name], height, width, f"{name}_enlarged", "float32"))
    return {"logits": keras.layers.Add(dtype="float32", name="logits")(terms), **outputs}


def corrected(logits: Sequence[Any], features: Sequence[Any], classes: int, style: LayerStyle) -> Any:
    """The mean of two streams' predictions, corrected by three convolutions over the features of both.

        logits = (first + second) / 2 + convolutions(concatenate(first's features, second's features))

    The last convolution starts at zero, so that training starts from the plain mean.

    Returns:
        Logits `(batch, size, size, classes)` float32.
    """
    mean = keras.layers.Average(dtype="float32", name="mean_of_streams")(list(logits))
    joined = keras.layers.Concatenate(dtype=style.dtype, name="correction_input")(list(features))
    channels = features[0].shape[-1]
    for i in (1, 2):
        joined = conv_norm_relu(joined, channels, 3, f"correction{i}", style)
    correction = keras.layers.Conv2D(
        classes, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="correction3"
    )(joined)
    return keras.layers.Add(dtype="float32", name="logits")([mean, correction])
