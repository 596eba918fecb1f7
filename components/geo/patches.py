"""Where the patches of a tile lie, and how pixels beyond its edge are filled."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, field_validator, model_validator

from components.geo.grid import Edges, GridCell, grid_rows
from components.geo.window import Window
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
    edges: Edges = "shift"
    """Where the last window of a row does not fit: shift it back until it does, or reflect the tile beyond its edge.
    Reflected pixels are learnt from; in eval and test they are void."""
    random_crops: PositiveInt | None = None
    """Training patches a tile at random places instead of the grid; eval and test always take the grid."""
    seed: int = 0
    """Decides the random places, together with the tile's id."""
    downsample: PositiveInt = 1
    """How many tile pixels make a side of one patch pixel (the image averaged, the label by nearest neighbour)."""
    max_nodata_share: float = Field(default=0.99, ge=0, le=1)
    """Patches with a larger share of nodata pixels are left out, and counted."""
    max_void_share: float = Field(default=0.99, ge=0, le=1)
    """Training patches with a larger share of void pixels are left out, and counted."""
    min_class_share: dict[str, float] = Field(default_factory=dict)
    """Class name -> share, 0 to 1. Training patches are kept only where at least one of these classes has its share,
    so that rare ones are not drowned; empty keeps all."""

    @model_validator(mode="after")
    def _no_gaps(self) -> "PatchOptions":
        for name in ("stride", "eval_stride"):
            stride = getattr(self, name)
            if stride is not None and stride > self.size:
                raise ValueError(f"{name} {stride} leaves gaps between patches of {self.size} px; use at most the size")
        return self

    @field_validator("min_class_share")
    @classmethod
    def _shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for name, share in shares.items():
            if not 0 < share <= 1:
                raise ValueError(f"{name} has the share {share}; shares are above 0 and at most 1")
        return shares

    def check_classes(self, names: Sequence[str]) -> None:
        """Whether `min_class_share` names classes that there are.

        Raises:
            ValueError: If not.
        """
        unknown = next((name for name in self.min_class_share if name not in names), None)
        if unknown is not None:
            raise ValueError(
                f"patches.min_class_share names '{unknown}', which is no class; classes are {', '.join(names)}"
            )

    def stride_of(self, split: str) -> int:
        """The stride for tiles of a split, in pixels."""
        stride = self.stride if split == "train" else self.eval_stride
        return stride or self.size


def patch_rows(options: PatchOptions, split: str, tile: str, height: int, width: int) -> list[list[GridCell]]:
    """The patches of a tile, in rows that are read together, top to bottom.

    Args:
        options: How the tile is cut.
        split: Random crops are for `train` alone.
        tile: The tile's id.
        height, width: Of the tile, in pixels after `downsample`; at least 1.

    Returns:
        Rows of the grid; or one row a random crop, by their first pixel row.
    """
    if options.random_crops is None or split != "train":
        return list(grid_rows(height, width, options.size, options.stride_of(split), options.edges))
    # A pure function of seed and tile: neither other tiles nor the order of work move the crops of this one.
    tile_seed = int.from_bytes(hashlib.blake2b(tile.encode(), digest_size=8).digest(), "big")
    rng = np.random.default_rng((options.seed, tile_seed))
    rows = rng.integers(0, max(1, height - options.size + 1), options.random_crops)
    cols = rng.integers(0, max(1, width - options.size + 1), options.random_crops)
    places = sorted(zip(rows.tolist(), cols.tolist(), strict=True))
    return [[GridCell(Window(row, col, options.size, options.size), 0, 0)] for row, col in places]


def padded(pixels: NDArray[Any], height: int, width: int, fill: int | None) -> NDArray[Any]:
    """`pixels` `(rows, cols, ...)`, filled up below and on the right to `height` and `width`.

    Args:
        pixels: At least one row and one column.
        height, width: Of the result, in pixels; smaller numbers than there are change nothing.
        fill: The value to fill with; None reflects the pixels at the edge.
    """
    missing = (max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1]))
    if not any(missing):
        return pixels
    widths = [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (pixels.ndim - 2)
    if fill is None:
        return np.pad(pixels, widths, mode="reflect")
    return np.pad(pixels, widths, constant_values=fill)
