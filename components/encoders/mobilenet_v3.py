"""`keras.applications.MobileNetV3Large` as an encoder.

Paper: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, https://arxiv.org/abs/1905.02244.

Keras' function builds it in float32 with momentum 0.999 and strides to 32. It is therefore copied layer by layer onto
our features, with the dtype policy, momentum, seeds, and strides or dilations that the network asks for; names and
shapes of the weights stay Keras', so that its ImageNet weights fit.
"""

from typing import Any

import keras

from components.encoders.batch_norm import BatchNorm
from components.encoders.patch_size import check_mobilenet_size
from components.encoders.style import LayerStyle

PREFIX = "encoder_"
"""Before the names of Keras' layers."""

_STRIDED_BLOCKS = (1, 3, 6, 12)
"""The blocks that halve the picture, to strides 4, 8, 16 and 32."""

_BLOCKS = 15

_ENDS = {2: ("expanded_conv_add", "expanded_conv_project_bn"), 4: ("expanded_conv_2_add",)}
_ENDS |= {8: ("expanded_conv_5_add",), 16: ("expanded_conv_11_add",)}
"""The layer that ends each stride; narrow networks lack the very first sum."""


def mobilenet_v3_large(
    features: Any, style: LayerStyle, *, width: float = 1.0, output_stride: int = 32
) -> dict[int, Any]:
    """MobileNetV3-Large without its classifier.

    Args:
        features: `(batch, size, size, bands)`, floating; size a multiple of `output_stride`, at least 32.
        style: Of the network.
        width: Multiplies the channels (Keras' `alpha`).
        output_stride: 8, 16 or 32: stages beyond it keep their size, and their kernels are dilated instead.

    Returns:
        By stride: features of stride 2 (16 channels), 4 (24), 8 (40), 16 (112) and 32 (960), at width 1. Where
        `output_stride` is smaller, the deeper ones stand under their usual stride but have the size of that one.

    Raises:
        NetworkError: If the size is less than 32.
    """
    for size in features.shape[1:3]:
        check_mobilenet_size(size)
    pattern = keras.applications.MobileNetV3Large(
        input_shape=tuple(features.shape[1:]),
        alpha=width,
        include_top=False,
        weights=None,
        include_preprocessing=False,
    )
    dilations = _dilations(output_stride)
    outputs: dict[str, Any] = {}
    last: list[Any] = []

    def copied(layer: Any) -> Any:
        return _copied(layer, style, dilations)

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        outputs[layer.name] = output
        last[:] = [output]
        return output

    keras.models.clone_model(pattern, input_tensors=features, clone_function=copied, call_function=called)
    found = {}
    for stride, names in _ENDS.items():
        found[stride] = next(outputs[PREFIX + name] for name in names if PREFIX + name in outputs)
    return {**found, 32: last[0]}


def _dilations(output_stride: int) -> dict[int, tuple[int, int]]:
    """(stride, dilation) of the depthwise convolution of each block."""
    found = {}
    reached, dilation = 2, 1
    for block in range(_BLOCKS):
        stride, own = 1, dilation
        if block in _STRIDED_BLOCKS:
            if reached < output_stride:
                stride, reached = 2, reached * 2
            else:
                dilation *= 2  # from the next block on: this one still sees its neighbours where they were
        found[block] = (stride, own)
    return found


def _copied(layer: Any, style: LayerStyle, dilations: dict[int, tuple[int, int]]) -> Any:
    """A fresh layer like Keras', in our style."""
    config = layer.get_config()
    if not isinstance(layer, keras.layers.Layer):
        return type(layer).from_config(config)  # an operation such as x + 3
    if isinstance(layer, keras.layers.InputLayer):
        return layer
    config |= {"name": PREFIX + layer.name, "dtype": style.dtype}
    if isinstance(layer, keras.layers.BatchNormalization):
        return BatchNorm.from_config({**config, "momentum": style.momentum})
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        config["depthwise_initializer"] = style.initializer(config["name"])
        stride, dilation = dilations[_block(layer.name)]
        config |= {"strides": (stride, stride), "dilation_rate": (dilation, dilation)}
    elif isinstance(layer, keras.layers.Conv2D):
        config["kernel_initializer"] = style.initializer(config["name"])
    elif isinstance(layer, keras.layers.ZeroPadding2D) and dilations[_block(layer.name)][0] == 1:
        # Before a convolution that was strided: it pads for all four sides now, as padding="same" would.
        reach = dilations[_block(layer.name)][1] * (_kernel(layer.name) // 2)
        config["padding"] = ((reach, reach), (reach, reach))
    return type(layer).from_config(config)


def _block(name: str) -> int:
    """The block's number in "expanded_conv_12_depthwise"; the first block has none."""
    part = name.removeprefix("expanded_conv_").partition("_")[0]
    return int(part) if part.isdigit() else 0


def _kernel(name: str) -> int:
    """Kernel size of the strided block that a padding stands before."""
    return {1: 3, 3: 5, 6: 3, 12: 5}[_block(name)]
