"""SegNet's encoder, and those that join two sensors.

Papers: SegNet, https://arxiv.org/abs/1511.00561. FuseNet: C. Hazirbas, L. Ma, C. Domokos, D. Cremers, ACCV 2016. Its
use on optical and height data, and V-FuseNet: N. Audebert, B. Le Saux, S. Lefèvre, "Beyond RGB: Very High Resolution
Urban Remote Sensing With Multimodal Deep Networks", ISPRS 2018, https://arxiv.org/abs/1711.08681; V-FuseNet's wiring is
that of the authors' published network (DeepNetsForEO, OSM/potsdam_irrg_osm_fusenet.prototxt).
"""

from collections.abc import Sequence
from typing import Any

import keras

from components.encoders.style import LayerStyle, scaled
from components.segnet.blocks import encoder_convolutions, plain_pool, pool

ENCODER_CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the encoder's convolutions, stage by stage, at width 1."""

VIRTUAL = "virtual_"
"""Before the names of V-FuseNet's third encoder, which belongs to no sensor."""


def vgg_encoder(features: Any, width: float, style: LayerStyle, prefix: str = "") -> tuple[Any, list[Any]]:
    """The thirteen convolutions of VGG-16, with pooling behind each stage.

    Returns:
        Features `(batch, size / 32, size / 32, 512 * width)`, and the five masks of the poolings.
    """
    masks = []
    for number, channels in enumerate(ENCODER_CHANNELS, start=1):
        features = encoder_convolutions(features, scaled(channels, width), number, style, prefix)
        features, mask = pool(features, number, style, prefix)
        masks.append(mask)
    return features, masks


def fusenet_encoder(
    main: Any, auxiliary: Any, width: float, style: LayerStyle, prefixes: Sequence[str]
) -> tuple[Any, list[Any]]:
    """FuseNet: after each stage the auxiliary sensor's features are added to the main sensor's, before pooling.

    Args:
        main, auxiliary: The bands of each sensor.
        width: Multiplies the channels.
        style: Of the network.
        prefixes: Of the layers of main and auxiliary encoder.

    Returns:
        As `vgg_encoder`; the masks are those of the sums.
    """
    masks = []
    first, second = prefixes
    for number, channels in enumerate(ENCODER_CHANNELS, start=1):
        counts = scaled(channels, width)
        main = encoder_convolutions(main, counts, number, style, first)
        auxiliary = encoder_convolutions(auxiliary, counts, number, style, second)
        fused = keras.layers.Add(dtype=style.dtype, name=f"fused{number}")([main, auxiliary])
        main, mask = pool(fused, number, style, first)
        masks.append(mask)
        if number < len(ENCODER_CHANNELS):
            auxiliary = plain_pool(auxiliary, number, style, second)
    return main, masks


def vfusenet_encoder(
    one: Any, other: Any, width: float, style: LayerStyle, prefixes: Sequence[str]
) -> tuple[Any, list[Any]]:
    """V-FuseNet: a third, virtual encoder, so that no sensor is the main one.

    With a, b the features of the sensors and v those of the virtual encoder behind the convolutions of stage n:

        v[1] = convolutions(concatenate(a[1], b[1]))        v[n] = convolutions(pool(f[n - 1]))
        f[n] = v[n] + a[n] + b[n]

    Returns:
        As `vgg_encoder`, of f.
    """
    masks = []
    first, second = prefixes
    fused = None
    for number, channels in enumerate(ENCODER_CHANNELS, start=1):
        counts = scaled(channels, width)
        one = encoder_convolutions(one, counts, number, style, first)
        other = encoder_convolutions(other, counts, number, style, second)
        if fused is None:
            fused = keras.layers.Concatenate(dtype=style.dtype, name="fused_input")([one, other])
        virtual = encoder_convolutions(fused, counts, number, style, VIRTUAL)
        summed = keras.layers.Add(dtype=style.dtype, name=f"fused{number}")([virtual, one, other])
        fused, mask = pool(summed, number, style, VIRTUAL)
        masks.append(mask)
        if number < len(ENCODER_CHANNELS):
            one = plain_pool(one, number, style, first)
            other = plain_pool(other, number, style, second)
    return fused, masks
