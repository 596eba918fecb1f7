"""Which patches U-Net takes; apart from the network, so that a configuration is checked without Keras."""

from components.encoders.patch_size import check_patch_size


def check_size(size: int, encoder: str | None = None) -> None:
    """Refuses patch sizes that the network cannot halve.

    Raises:
        NetworkError: If `size` (pixels a side) is not a multiple of 16, or of 32 with an encoder.
    """
    stride, often = (16, "four poolings halve the patch four") if encoder is None else (32, "encoder halves it five")
    check_patch_size(size, stride, "U-Net", f"its {often} times")
