"""Which patches FCN takes; apart from the network, so that a configuration is checked without Keras."""

from components.encoders.patch_size import check_patch_size


def check_size(size: int) -> None:
    """Refuses patch sizes that the encoder cannot halve five times.

    Raises:
        NetworkError: If `size` (pixels a side) is not a multiple of 32.
    """
    check_patch_size(size, 32, "FCN", "its encoder halves the patch five times")
