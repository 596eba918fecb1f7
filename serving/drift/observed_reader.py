"""A tile whose bands are counted while it is read for prediction."""

from components.drift.band_histogram import BandCounter
from components.geo.image import ImageReader
from components.geo.raster import Raster
from components.geo.window import Window
from components.geo.wrapped_image import WrappedImage


class ObservedReader(WrappedImage):
    """An `ImageReader` that counts what it reads at the model's resolution, every `row_step`-th row of the tile.

    Mapping reads each row once, from top to bottom; what it reads once more at full resolution, to know which pixels
    are valid, is not counted.

    Args:
        reader: The tile.
        counter: Of its bands.
        downsample: The model's.
        row_step: Rows of the model's resolution.
    """

    def __init__(self, reader: ImageReader, counter: BandCounter, downsample: int, row_step: int) -> None:
        super().__init__(reader)
        self._counter = counter
        self._downsample = downsample
        self._row_step = row_step

    def read(self, window: Window, downsample: int = 1) -> Raster:
        """As the tile."""
        raster = self._reader.read(window, downsample)
        if downsample == self._downsample:
            rows = slice(-(window.row // downsample) % self._row_step, None, self._row_step)
            self._counter.add(raster.pixels[rows], raster.valid[rows])
        return raster
