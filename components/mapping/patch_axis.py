"""Where overlapping patches lie along one axis of a tile, and what their pixels weigh.

Where patches overlap, the score of a pixel is the weighted mean of theirs. The weight of a patch's pixel is w(row) *
w(col), so the sum of the weights over all patches is a product too, and one vector an axis is enough to divide by.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.geo.grid import axis_starts

Blend = Literal["hann", "flat", "centre"]
BLENDS: tuple[Blend, ...] = ("hann", "flat", "centre")


def patch_weights(size: int, margins: tuple[int, int], blend: Blend) -> NDArray[np.float32]:
    """Weights along one axis of a patch, `(size,)` float32, none negative.

    `hann` falls smoothly towards the patch's edges, where the network sees least around it, and is never quite zero:
    sin^2(pi * (i + 1/2) / size). `flat` is 1 everywhere. `centre` is 1 but for the margins, where it is 0.

    Args:
        size: Pixels.
        margins: Pixels before and after the centre.
        blend: Which weights.
    """
    if blend == "hann":
        hann: NDArray[np.float32] = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2).astype(np.float32)
        return hann
    weights = np.ones(size, np.float32)
    if blend == "centre":
        weights[: margins[0]] = 0
        weights[size - margins[1] :] = 0
    return weights


@dataclass(frozen=True)
class PatchAxis:
    """Where patches lie along one axis of a tile, and what their pixels weigh.

    Attributes:
        length: Pixels of the tile.
        size: Pixels of a patch.
        starts: First pixel of each patch; negative and beyond the end where patches reach past the tile.
        weights: `(size,)` float32, of each patch.
        total: `(length,)` float32, the sum of all patches' weights at each pixel; positive everywhere.
    """

    length: int
    size: int
    starts: tuple[int, ...]
    weights: NDArray[np.float32]
    total: NDArray[np.float32]

    def inside(self, start: int) -> tuple[slice, slice]:
        """The part of the patch at `start` that lies on the tile: in tile pixels, and in the patch's own."""
        first, last = max(0, start), min(self.length, start + self.size)
        return slice(first, last), slice(first - start, last - start)


def patch_axis(length: int, size: int, overlap: float, blend: Blend) -> PatchAxis:
    """Lays patches over one axis.

    The stride is `size * (1 - overlap)`, rounded. Patches reach half an overlap past both ends of the tile, so that
    the tile's edge is seen with the same surroundings (reflected) as its interior.

    Args:
        length: Pixels of the tile.
        size: Pixels of a patch.
        overlap: Share of a patch that its successor covers again, 0 to below 1.
        blend: Which weights.

    Raises:
        ValueError: If the overlap is out of range.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be at least 0 and below 1, received {overlap}")
    stride = max(1, min(size, math.floor(size * (1 - overlap) + 0.5)))
    before = (size - stride) // 2
    after = size - stride - before
    starts = tuple(start - before for start in axis_starts(length + before + after, size, stride))
    weights = patch_weights(size, (before, after), blend)
    total = np.zeros(length, np.float32)
    axis = PatchAxis(length, size, starts, weights, total)
    for start in starts:
        on_tile, in_patch = axis.inside(start)
        total[on_tile] += weights[in_patch]
    return axis


def reflected(first: int, last: int, length: int) -> NDArray[np.intp]:
    """Indices `first` to `last` (exclusive) of an axis reflected at its ends: -1 is 1, `length` is `length - 2`.

    The reflection repeats, so an axis of any length fills any range.
    """
    if length == 1:
        return np.zeros(last - first, np.intp)
    period = 2 * (length - 1)
    folded = np.abs(np.arange(first, last)) % period
    indices: NDArray[np.intp] = np.minimum(folded, period - folded).astype(np.intp)
    return indices
