"""A tile's image as the network sees it: chosen and derived bands of one or more rasters, on the image's own grid."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from components.errors import ConfigError
from components.geo.bands import IMAGE, BandSet
from components.geo.composite import BandSource, CompositeReader, bands_of
from components.geo.geotiff import open_raster
from components.geo.raster import Georeference, Grid, Raster
from components.geo.raster_header import check_radar
from components.geo.warped import WarpedReader, on_grid
from components.geo.window import Window


class ImageReader(Protocol):
    """What reads a tile's bands: `geotiff.RasterReader` or `composite.CompositeReader`."""

    path: str
    height: int
    width: int
    dtype: str
    georeference: Georeference
    crs: Any
    resampled: tuple[str, ...]
    """Which rasters are not on the image's grid and are resampled to it, in words: `dsm: 0.45 m onto 0.09 m,
    EPSG:25832`."""

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
        RasterError: If a raster cannot be used, does not lie where the image does, or is a picture in 8 bits where
            radar is expected.
    """
    missing = next((name for name in bands.rasters if name not in rasters), None)
    if missing is not None:
        raise ConfigError(
            f"a band is read from the raster '{missing}', which the tile {rasters[IMAGE]} does not have",
            f"one of {', '.join(rasters)}",
            "name its files under data.rasters (for a prediction: --raster NAME=FILE)",
        )
    choices = bands.plain_choices
    if choices is not None:
        with open_raster(rasters[IMAGE], choices) as reader:
            yield reader
        return
    with ExitStack() as stack:
        chosen = {name: [band.choice for band in bands_of(bands, name)] for name in bands.rasters}
        image = stack.enter_context(open_raster(rasters[IMAGE], chosen[IMAGE] or None, modulus=True))
        if chosen[IMAGE]:
            check_radar(image.path, bands_of(bands, IMAGE), image.stored_dtypes)
        sources: dict[str, BandSource] = {IMAGE: image}
        resampled = []
        for name in bands.rasters[1:]:
            raster = stack.enter_context(open_raster(rasters[name], chosen[name], modulus=True))
            check_radar(raster.path, bands_of(bands, name), raster.stored_dtypes)
            placed = stack.enter_context(on_grid(name, raster, image))
            sources[name] = placed
            if isinstance(placed, WarpedReader):
                resampled.append(placed.words)
        yield CompositeReader(image, sources, bands, resampled)
