"""Cuts patches out of a strip of a tile."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from components.options import Options


class PatchOptions(Options):
    """How tiles are cut into patches. Lengths are in pixels after `downsample`.

    Raises:
        pydantic.ValidationError: If a stride leaves gaps between patches.
    """

    size: PositiveInt = 256
    """Pixels a side."""
    stride: PositiveInt | None = None
    """Pixels from one training patch to the next; None is `size` (no overlap)."""
    eval_stride: PositiveInt | None = None
    """The same for the eval and test splits; None is `size`."""
    downsample: PositiveInt = 1
    """How many tile pixels make a side of one patch pixel (the image averaged, the label by nearest neighbour)."""
    max_nodata_share: float = Field(default=0.99, ge=0, le=1)
    """Patches with a larger share of nodata pixels are left out, and counted."""
    max_void_share: float = Field(default=0.99, ge=0, le=1)
    """Training patches with a larger share of void pixels are left out, and counted."""

    @model_validator(mode="after")
    def _no_gaps(self) -> "PatchOptions":
        for name in ("stride", "eval_stride"):
            stride = getattr(self, name)
            if stride is not None and stride > self.size:
                raise ValueError(f"{name} {stride} leaves gaps between patches of {self.size} px; use at most the size")
        return self

    def stride_of(self, split: str) -> int:
        """The stride for tiles of a split, in pixels."""
        stride = self.stride if split == "train" else self.eval_stride
        return stride or self.size


def padded(pixels: NDArray[Any], size: int, fill: int) -> NDArray[Any]:
    """`pixels` `(height, width, ...)`, filled up below and on the right to at least `size` in both directions."""
    missing = [max(0, size - length) for length in pixels.shape[:2]]
    if not any(missing):
        return pixels
    widths = [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, widths, constant_values=fill)
