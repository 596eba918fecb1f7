"""A tile of which only some areas are wanted: its other pixels are called nodata, so that no patch is spent on them.

Mapping leaves out patches without a valid pixel. A wanted pixel lies in every patch that has something to say about it,
so its scores are, bit by bit, those of the whole tile's map.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.geo.image import ImageReader
from components.geo.raster import Raster
from components.geo.window import Window
from components.geo.wrapped_image import WrappedImage


class NeededPixels(WrappedImage):
    """An `ImageReader` that calls pixels outside some windows nodata.

    Args:
        reader: The tile.
        needed: The windows, in tile pixels.
    """

    def __init__(self, reader: ImageReader, needed: Sequence[Window]) -> None:
        super().__init__(reader)
        self._needed = tuple(needed)

    def read(self, window: Window, downsample: int = 1) -> Raster:
        """As the tile, nodata outside the needed windows.

        With `downsample` nothing is left out: a scaled map also depends on pixels beside the needed ones.
        """
        raster = self._reader.read(window, downsample)
        if downsample > 1:
            return raster
        inside = np.zeros(raster.valid.shape, np.bool_)
        for needed in self._needed:
            part = needed.intersection(window)
            if part is not None:
                inside[Window(part.row - window.row, part.col - window.col, part.height, part.width).slices] = True
        return replace(raster, valid=raster.valid & inside)
