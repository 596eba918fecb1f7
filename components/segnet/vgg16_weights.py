"""VGG-16 of Keras' applications as the start of SegNet's encoders."""

from collections.abc import Mapping, Sequence

import keras

from components.encoders.pretrained import APPLICATIONS, Arrays, first_kernel, set_layer
from components.encoders.pretrained_bands import Channel, channels_of
from components.segnet.encoders import ENCODER_CHANNELS

_PLACES = [f"{stage}_{i}" for stage, channels in enumerate(ENCODER_CHANNELS, 1) for i in range(1, len(channels) + 1)]
"""1_1 to 5_3: the thirteen convolutions of the encoder."""


def load_vgg16(
    model: keras.Model,
    weights: Mapping[str, Arrays],
    branches: Mapping[str, Sequence[str]],
    given: Mapping[str, Channel] | None,
    origin: str = "the weights of VGG16",
) -> None:
    """Gives SegNet's encoders the thirteen convolutions of VGG-16; batch normalisation starts as the identity.

    Args:
        model: A SegNet of width 1.
        weights: Of `application_weights("vgg16", ...)`.
        branches: Names of the bands of each encoder, by the prefix of its layers ("" where there is but one).
        given: Which channel a band takes over; None decides by name and number (`channels_of`).
        origin: What messages call the weights.

    Raises:
        NetworkError: If the shapes differ.
    """
    vgg = APPLICATIONS["vgg16"]
    for prefix, bands in branches.items():
        chosen = None if given is None else {band: channel for band, channel in given.items() if band in bands}
        for place in _PLACES:
            stage, _, i = place.partition("_")
            values = weights.get(f"block{stage}_conv{i}")
            if values is not None and place == "1_1":
                values = [first_kernel(values[0], vgg.channels, channels_of(bands, chosen)), values[1]]
            set_layer(model.get_layer(f"{prefix}conv{place}"), values, origin)
