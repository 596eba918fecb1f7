"""Which channel of pretrained weights a band takes over; without Keras."""

from collections.abc import Mapping, Sequence
from typing import Literal

from components.errors import NetworkError

Channel = Literal["red", "green", "blue", "mean"]
"""What a band takes over from the weights' first kernel."""


def channels_of(bands: Sequence[str], given: Mapping[str, Channel] | None) -> tuple[Channel, ...]:
    """Which channel of the weights each band takes over.

    Without `given`: bands named red, green and blue take their own where all three are there or the bands are not
    three; any other three bands (infrared, red, green) take red, green, blue in their order, as Audebert et al. did;
    all others take the mean.

    Raises:
        NetworkError: If `given` names a band that is not there.
    """
    known: tuple[Channel, ...] = ("red", "green", "blue")
    if given is not None:
        strange = [name for name in given if name not in bands]
        if strange:
            raise NetworkError(
                f"network.pretrained_bands names {', '.join(strange)}",
                f"some of the bands {', '.join(bands)}",
                "correct network.pretrained_bands",
            )
        return tuple(given.get(band, "mean") for band in bands)
    if len(bands) == 3 and set(bands) != set(known):
        return known
    return tuple(next((channel for channel in known if channel == band), "mean") for band in bands)
