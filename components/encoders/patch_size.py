"""Refusal of patch sizes that a network cannot halve often enough."""

from components.errors import NetworkError


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
