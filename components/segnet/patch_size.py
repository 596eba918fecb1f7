"""Which patches SegNet takes; apart from the network, so that a configuration is checked without Keras."""

from components.encoders.patch_size import check_patch_size


def check_size(size: int) -> None:
    """Refuses patch sizes that the five poolings cannot halve.

    Raises:
        NetworkError: If `size` (pixels a side) is not a multiple of 32; it names the nearest sizes that are.
    """
    check_patch_size(size, 32, "SegNet", "its five poolings halve the patch five times")
