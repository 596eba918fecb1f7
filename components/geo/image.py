"""A tile's image as the network sees it: chosen and derived bands of one or more rasters, on the image's own grid."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from components.errors import ConfigError
from components.geo.bands import IMAGE, BandSet
from components.geo.geotiff import open_raster
from components.geo.raster import Georeference, Grid, Raster
from components.geo.window import Window


class ImageReader(Protocol):
    """What reads a tile's bands; `components.geo.geotiff.RasterReader` is one, and so is a composite."""

    path: str
    height: int
    width: int
    dtype: str
    georeference: Georeference
    crs: Any

    @property
    def band_count(self) -> int:
        """Number of bands that `read` gives."""

    @property
    def grid(self) -> Grid:
        """The tile's pixel grid."""

    @property
    def crs_name(self) -> str:
        """The coordinate system in words."""

    def read(self, window: Window, downsample: int = 1) -> Raster:
        """See `components.geo.geotiff.RasterReader.read`."""


@contextmanager
def open_image(rasters: Mapping[str, str], bands: BandSet) -> Iterator[ImageReader]:
    """Opens the rasters of one tile as one image.

    Args:
        rasters: Raster name -> path; `image` decides the grid.
        bands: The bands, in record order.

    Raises:
        MissingFileError: If a file is not there.
        ConfigError: If a band wants a raster that is not given.
        RasterError: If a raster cannot be used.
    """
    missing = next((name for name in bands.rasters if name not in rasters), None)
    if missing is not None:
        raise ConfigError(
            f"a band is read from the raster '{missing}', which the tile {rasters[IMAGE]} does not have",
            f"one of {', '.join(rasters)}",
            "name its files under data.rasters (for a prediction: --raster NAME=FILE)",
        )
    numbers = bands.plain_numbers
    if numbers is not None:
        with open_raster(rasters[IMAGE], numbers) as reader:
            yield reader
        return
    raise NotImplementedError
