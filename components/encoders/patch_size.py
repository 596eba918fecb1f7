"""Refusal of patches that a network cannot halve often enough, or that an encoder cannot take; without Keras."""

from components.errors import NetworkError

SMALLEST_MOBILENET = 32
"""Pixels a side that Keras' MobileNetV3 takes at least."""


def check_patch_size(size: int, stride: int, network: str, reason: str) -> None:
    """Refuses patch sizes that are no multiple of a network's stride.

    Args:
        size: Pixels a side of the patch.
        stride: Pixels of the patch to one value at the network's coarsest, along one side.
        network: Its name as people write it.
        reason: Why, as a part of the sentence: "its five poolings halve the patch five times".

    Raises:
        NetworkError: It names the nearest sizes that would work.
    """
    if size > 0 and size % stride == 0:
        return
    below = max(size // stride, 1) * stride
    fitting = f"{below} or {below + stride}" if size > stride else f"{stride}"
    raise NetworkError(
        f"{network} cannot take patches of {size} px: {reason}",
        f"a multiple of {stride} px",
        f"set patches.size to {fitting}",
    )


def check_mobilenet_size(size: int) -> None:
    """Refuses patches that are too small for MobileNetV3.

    Raises:
        NetworkError: If `size` (pixels a side) is less than 32.
    """
    if size < SMALLEST_MOBILENET:
        raise NetworkError(
            f"the encoder mobilenet_v3_large cannot take patches of {size} px",
            f"at least {SMALLEST_MOBILENET} px",
            f"set patches.size to {SMALLEST_MOBILENET}, or network.encoder to resnet50",
        )
