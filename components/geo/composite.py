"""Bands of several rasters, and bands derived from them, as one image."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.geo.bands import IMAGE, Band, BandSet
from components.geo.despeckle import decibels, lee_filter
from components.geo.geotiff import RasterReader
from components.geo.raster import Grid, Raster
from components.geo.window import Window

_CHUNK_PIXELS = 2_000_000
"""About how many pixels are computed at once, in some ten arrays of 4 or 8 bytes: under 200 MB."""


class BandSource(Protocol):
    """What gives the chosen bands of one raster on the image's grid."""

    dtype: str
    is_complex: bool

    def read_each(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """See `components.geo.geotiff.RasterReader.read_each`."""


class CompositeReader:
    """A tile's bands, read from several rasters or derived; an `ImageReader`, made by `open_image`.

    Which pixels are valid:

    - A band read from the image is valid where the image's nodata value, alpha or mask says so. As in an image that is
      read alone, a pixel is valid where any of these bands is; if they are floats, each must be finite there.
    - Every band read from another raster must be valid there by itself.
    - Decibels must exist: zero, negative and NaN backscatter is nodata.
    - A derived band must be finite, and every band that its expression uses must by itself be valid there.
    - Bands with `recorded: false` have no say, except through expressions.

    Pixels that are not valid hold 0 in every band.

    With `downsample`, all of it is computed at full resolution; then each band is averaged over the valid ones of the
    `downsample` x `downsample` pixels, and the result is valid where at least half of them are. The average of a ratio
    is not the ratio of averages.

    Attributes:
        path, height, width, georeference, crs, crs_name: The image's.
        dtype: Name of the dtype of `read`: the bands' own where all are read from files in one dtype, else float32.
        resampled: Which rasters are resampled, in words.
    """

    def __init__(
        self, image: RasterReader, sources: Mapping[str, BandSource], bands: BandSet, resampled: Sequence[str] = ()
    ) -> None:
        """`sources` give, for each raster, the bands of `bands_of(bands, raster)` in that order."""
        self.path = image.path
        self.height, self.width = image.height, image.width
        self.georeference = image.georeference
        self.crs = image.crs
        self.crs_name = image.crs_name
        self.resampled = tuple(resampled)
        self._sources = sources
        self._bands = {name: bands_of(bands, name) for name in sources}
        self._expressions = bands.expressions
        self._recorded = [band for band in bands.bands if band.recorded]
        stored = {sources[band.raster].dtype if _is_read(band) else "float32" for band in self._recorded}
        self.dtype = stored.pop() if len(stored) == 1 else "float32"

    @property
    def band_count(self) -> int:
        """Number of bands that `read` gives."""
        return len(self._recorded)

    @property
    def grid(self) -> Grid:
        """The image's pixel grid."""
        return Grid(self.height, self.width, self.georeference)

    def read(self, window: Window, downsample: int = 1) -> Raster:
        """The pixels of a window that lies inside the image.

        Args:
            window: In the image's pixels; with `downsample`, its sides are cut to a multiple of it.
            downsample: How many pixels make one side of a returned pixel.

        Returns:
            `(height // downsample, width // downsample, bands)` pixels of `dtype`, with validity and georeference.

        Raises:
            RasterError: If a file cannot be read there.
        """
        height, width = window.height // downsample, window.width // downsample
        pixels = np.zeros((height, width, self.band_count), self.dtype)
        valid = np.zeros((height, width), np.bool_)
        rows = max(1, _CHUNK_PIXELS // (width * downsample * downsample))
        for row in range(0, height, rows):
            count = min(rows, height - row)
            chunk = Window(window.row + row * downsample, window.col, count * downsample, width * downsample)
            planes, valid_there = self._compute(chunk)
            for i, plane in enumerate(planes):
                if downsample > 1:
                    plane = _averaged(plane, valid_there, downsample, self.dtype)
                pixels[row : row + count, :, i] = plane
            if downsample > 1:
                valid_there = 2 * _count(valid_there, downsample) >= downsample * downsample
            valid[row : row + count] = valid_there
        pixels[~valid] = 0
        return Raster(pixels, valid, self.georeference.at(window.row, window.col, downsample))

    def _compute(self, window: Window) -> tuple[list[NDArray[Any]], NDArray[np.bool_]]:
        """The recorded bands at full resolution, 0 where not valid, and where the pixels are valid."""
        values: dict[str, NDArray[Any]] = {}
        valid: dict[str, NDArray[np.bool_]] = {}
        in_image: NDArray[np.bool_] | None = None
        recorded = {band.name for band in self._recorded}
        for raster, bands in self._bands.items():
            if not bands:
                continue
            halo = max((band.despeckle.size // 2 for band in bands if band.despeckle), default=0)
            grown = _grown(window, halo, self.height, self.width)
            inside = (
                slice(window.row - grown.row, window.row_stop - grown.row),
                slice(window.col - grown.col, window.col_stop - grown.col),
            )
            stack, masks = self._sources[raster].read_each(grown)
            for band, plane, mask in zip(bands, stack, masks, strict=True):
                values[band.name] = _processed(band, plane, mask, inside, self._sources[raster].is_complex)
                valid[band.name] = mask[inside] & np.isfinite(values[band.name])
                if raster == IMAGE and band.name in recorded:
                    in_image = mask[inside].copy() if in_image is None else in_image | mask[inside]
        for name, expression in self._expressions.items():
            values[name] = expression.evaluate(values)
            valid[name] = np.isfinite(values[name])
            for used in expression.names:
                valid[name] &= valid[used]
        everywhere = np.ones((window.height, window.width), np.bool_) if in_image is None else in_image
        for band in self._recorded:
            from_image = band.raster == IMAGE and band.expression is None
            everywhere &= np.isfinite(values[band.name]) if from_image else valid[band.name]
        return [np.where(everywhere, values[band.name], 0) for band in self._recorded], everywhere


def bands_of(bands: BandSet, raster: str) -> tuple[Band, ...]:
    """The bands that are read from one raster, whether recorded or not."""
    return tuple(band for band in bands.bands if band.expression is None and band.raster == raster)


def _is_read(band: Band) -> bool:
    """Whether it holds the file's own numbers."""
    return band.expression is None and not (band.despeckle or band.decibel)


def _processed(
    band: Band, plane: NDArray[Any], mask: NDArray[np.bool_], inside: tuple[slice, slice], is_complex: bool
) -> NDArray[Any]:
    """A band as the configuration wants it, cut to the window; NaN where radar numbers are missing."""
    if band.despeckle is None and band.decibel is None:
        return plane[inside]
    amplitude = is_complex or band.decibel == "amplitude"  # what is read of complex numbers is their modulus
    radar = np.where(mask, plane, np.nan).astype(np.float32)
    if band.despeckle is not None:
        # Speckle multiplies intensities: amplitudes are squared, filtered and brought back.
        intensity = np.square(radar, dtype=np.float64) if amplitude else radar
        radar = lee_filter(intensity, np.isfinite(intensity), band.despeckle.size, band.despeckle.looks)
        if amplitude:
            radar = np.sqrt(radar)
    radar = radar[inside]
    return radar if band.decibel is None else decibels(radar, "amplitude" if amplitude else "intensity")


def _grown(window: Window, halo: int, height: int, width: int) -> Window:
    """The window with `halo` pixels more on each side, as far as the tile reaches."""
    row, col = max(0, window.row - halo), max(0, window.col - halo)
    return Window(row, col, min(height, window.row_stop + halo) - row, min(width, window.col_stop + halo) - col)


def _count(valid: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """How many of `side` x `side` pixels are valid."""
    height, width = valid.shape
    count: NDArray[np.int64] = valid.reshape(height // side, side, width // side, side).sum(axis=(1, 3))
    return count


def _averaged(plane: NDArray[Any], valid: NDArray[np.bool_], side: int, dtype: str) -> NDArray[Any]:
    """The mean over the valid ones of `side` x `side` pixels; `plane` holds 0 at the others. Halves are rounded up."""
    height, width = plane.shape
    total = plane.reshape(height // side, side, width // side, side).sum(axis=(1, 3), dtype=np.float64)
    mean: NDArray[Any] = total / np.maximum(_count(valid, side), 1)
    return np.floor(mean + 0.5) if np.dtype(dtype).kind in "iu" else mean
