"""Pixels that never travel without their place on the ground."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray


@dataclass(frozen=True)
class Georeference:
    """Where a raster lies: its affine transform (pixel to ground) and its coordinate reference system.

    Attributes:
        transform: Maps (col, row) of a pixel corner to ground coordinates in the unit of `crs`.
        crs: WKT, or the empty string for rasters without georeference (plain JPEG and PNG).
    """

    transform: Affine
    crs: str

    def at(self, row: int, col: int, downsample: int = 1) -> "Georeference":
        """The georeference of a window starting at (row, col), with pixels `downsample` times larger."""
        return Georeference(self.transform @ Affine.translation(col, row) @ Affine.scale(downsample), self.crs)


@dataclass(frozen=True)
class Raster:
    """Pixels, which of them are valid, and where they lie.

    Attributes:
        pixels: `(height, width, bands)` in the file's dtype.
        valid: `(height, width)` bool; False is nodata.
        georeference: Transform and CRS of the upper left corner of `pixels`.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    georeference: Georeference


@dataclass(frozen=True)
class Grid:
    """The pixel grid of a tile.

    Attributes:
        height, width: In pixels.
        georeference: Of the upper left corner; its CRS is empty where the tile has none.
    """

    height: int
    width: int
    georeference: Georeference
