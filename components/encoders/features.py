"""The encoders by name: what a network with a choice of encoders asks for its features."""

from collections.abc import Callable
from typing import Any, Literal

from components.encoders.mobilenet_v3 import mobilenet_v3_large
from components.encoders.resnet50 import resnet50
from components.encoders.style import LayerStyle

EncoderName = Literal["resnet50", "mobilenet_v3_large"]

_ENCODERS: dict[str, Callable[..., dict[int, Any]]] = {
    "resnet50": resnet50,
    "mobilenet_v3_large": mobilenet_v3_large,
}


def encoder_features(
    name: EncoderName, features: Any, style: LayerStyle, *, width: float = 1.0, output_stride: int = 32
) -> dict[int, Any]:
    """Features of an encoder by stride (2, 4, 8, 16, 32).

    Args:
        name: Which encoder.
        features: `(batch, size, size, bands)`, normalised; size a multiple of `output_stride`.
        style: Of the network.
        width: Multiplies all channels.
        output_stride: 8, 16 or 32. Features of greater stride have the size of this one, and are dilated.
    """
    return _ENCODERS[name](features, style, width=width, output_stride=output_stride)
