"""An image as another one shows it, for readers that change or watch what is read of a tile."""

from typing import Any

from components.geo.image import ImageReader
from components.geo.raster import Georeference, Grid, Raster
from components.geo.window import Window


class WrappedImage:
    """An `ImageReader` that is another one in all but what a subclass changes.

    Args:
        reader: The other one.
    """

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader
        self.path: str = reader.path
        self.height: int = reader.height
        self.width: int = reader.width
        self.dtype: str = reader.dtype
        self.georeference: Georeference = reader.georeference
        self.crs: Any = reader.crs
        self.resampled: tuple[str, ...] = reader.resampled

    @property
    def band_count(self) -> int:
        """Of the tile."""
        return self._reader.band_count

    @property
    def grid(self) -> Grid:
        """Of the tile."""
        return self._reader.grid

    @property
    def crs_name(self) -> str:
        """Of the tile."""
        return self._reader.crs_name

    def read(self, window: Window, downsample: int = 1) -> Raster:
        """As the tile."""
        return self._reader.read(window, downsample)
