"""Which patches DeepLabV3+ takes; apart from the network, so that a configuration is checked without Keras."""

from components.encoders.patch_size import check_patch_size


def check_size(size: int, output_stride: int = 16) -> None:
    """Refuses patch sizes that the encoder cannot halve often enough.

    Raises:
        NetworkError: If `size` (pixels a side) is not a multiple of `output_stride`.
    """
    often = {8: "three", 16: "four", 32: "five"}[output_stride]
    check_patch_size(size, output_stride, "DeepLabV3+", f"its encoder halves the patch {often} times")
