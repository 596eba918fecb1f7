"""Reads rasters window by window; the one place where rasterio opens a file to read."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from components.errors import MissingFileError, RasterError
from components.geo.paths import file_exists, gdal_path, is_remote, says_not_there
from components.geo.raster import Georeference, Grid, Raster
from components.geo.raster_header import (
    COMPLEX_DTYPES,
    band_numbers,
    dtype_read,
    exact_nodata,
    has_mask,
    overlooked_alpha,
)
from components.geo.window import Window

CACHE_MB = 256
"""Decoded blocks that GDAL keeps in a process. Left to itself it takes 5 % of the machine's memory, so that the peak
grows with the tile and with the machine."""


class RasterReader:
    """An open raster; made by `open_raster`.

    Attributes:
        path: As given.
        height, width: In pixels.
        bands: Numbers of the bands that are read, starting at 1.
        dtype: Name of the NumPy dtype that the pixels have when read.
        stored_dtypes: Names of the dtypes that the file has them in, band by band.
        is_complex: Whether the file holds complex numbers, read by their modulus.
        georeference: Of the whole raster.
        crs: rasterio's CRS object (equal for two spellings of one system), or None.
        mask_is_honoured: Whether nodata, an alpha band or a mask band say which pixels are valid.
        alpha: Number of the band that says it where GDAL itself makes no mask of it, else None.
        resampled: Always empty; see `components.geo.image.ImageReader`.
    """

    resampled: tuple[str, ...] = ()

    def __init__(
        self,
        path: str,
        dataset: rasterio.DatasetReader,
        pixels: rasterio.DatasetReader,
        bands: Sequence[int | str] | None,
        modulus: bool,
    ) -> None:
        self.path = path
        self.bands = band_numbers(path, dataset, bands)
        self.height: int = dataset.height
        self.width: int = dataset.width
        self.stored_dtypes = tuple(dataset.dtypes[band - 1] for band in self.bands)
        stored = set(self.stored_dtypes)
        self._one_dtype = len(stored) == 1
        self.is_complex = bool(stored & set(COMPLEX_DTYPES))
        self.dtype = dtype_read(path, stored, modulus)
        self.crs = dataset.crs
        self.georeference = Georeference(dataset.transform, dataset.crs.to_wkt() if dataset.crs else "")
        self._dataset = dataset
        self._pixels_of = pixels
        self.alpha = overlooked_alpha(dataset, self.bands)
        self.mask_is_honoured = self.alpha is not None or has_mask(dataset, self.bands)
        self._nodata = exact_nodata(dataset, self.bands, self.dtype)
        flags = [dataset.mask_flag_enums[band - 1] for band in self.bands]
        # One mask for the whole file: one band's is enough.
        shared = all(MaskFlags.per_dataset in flag for flag in flags)
        self._mask_bands = self.bands[:1] if shared else self.bands

    @property
    def band_count(self) -> int:
        """Number of bands that `read` gives."""
        return len(self.bands)

    @property
    def grid(self) -> Grid:
        """The raster's pixel grid."""
        return Grid(self.height, self.width, self.georeference)

    @property
    def crs_name(self) -> str:
        """The coordinate system in words: `EPSG:25832`, or `none`."""
        return self.crs.to_string() if self.crs else "none"

    @property
    def colormap(self) -> NDArray[np.uint8] | None:
        """The palette `(256, 3)` uint8 of a one-band palette raster, else None."""
        if self._dataset.count != 1 or self._dataset.colorinterp[0] is not ColorInterp.palette:
            return None
        palette = np.zeros((256, 3), np.uint8)
        for index, (red, green, blue, _) in self._dataset.colormap(1).items():
            if index < 256:
                palette[index] = (red, green, blue)
        return palette

    def read(self, window: Window, downsample: int = 1, *, nearest: bool = False) -> Raster:
        """The pixels of a window that lies inside the raster.

        Args:
            window: In this raster's own pixels; with `downsample`, its sides are cut to a multiple of it.
            downsample: How many pixels make one side of a returned pixel.
            nearest: Take the nearest pixel (for class ids) instead of the average over valid ones (for images).

        Returns:
            `(height // downsample, width // downsample, bands)` pixels with their validity and georeference.

        Raises:
            RasterError: If the file cannot be read there.
        """
        height, width = window.height // downsample, window.width // downsample
        source = RasterioWindow(window.col, window.row, width * downsample, height * downsample)
        with _reading(self.path, window):
            resampling = Resampling.nearest if nearest else Resampling.average
            pixels = self._pixels(source, (height, width), resampling, by_pixel=True)
            # Valid where any chosen band is: a single band that happens to hold the nodata value (dark water in the
            # near infrared) does not make a hole in the image.
            valid = self._masks(source, pixels, at_full_resolution=downsample == 1).any(axis=0)
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(pixels).all(axis=0)
            if not nearest:
                pixels[:, ~valid] = 0  # a NaN, or a nodata value of -3.4e38, would spread over a whole patch
        return Raster(
            np.ascontiguousarray(pixels.transpose(1, 2, 0)),
            valid,
            self.georeference.at(window.row, window.col, downsample),
        )

    def read_each(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The pixels of a window, band by band, and where each band by itself is valid.

        Returns:
            `(bands, height, width)` pixels in `dtype`, and bool of the same shape.

        Raises:
            RasterError: If the file cannot be read there.
        """
        source = RasterioWindow(window.col, window.row, window.width, window.height)
        with _reading(self.path, window):
            pixels = self._pixels(source, (window.height, window.width), Resampling.nearest)
            masks = self._masks(source, pixels, at_full_resolution=True)
        return pixels, np.broadcast_to(masks, pixels.shape)

    def _pixels(
        self, source: RasterioWindow, shape: tuple[int, int], resampling: Resampling, *, by_pixel: bool = False
    ) -> NDArray[Any]:
        """`(bands, height, width)`; with `by_pixel`, a view of an array in which the bands of a pixel lie together."""
        if by_pixel and self._one_dtype and not self.is_complex:
            # GDAL writes pixel by pixel as fast as band by band, while turning the array over afterwards costs four
            # times as much as reading it.
            pixels_first = np.empty((*shape, len(self.bands)), self.dtype)
            found: NDArray[Any] = self._pixels_of.read(
                list(self.bands), out=pixels_first.transpose(2, 0, 1), window=source, resampling=resampling
            )
            return found
        # rasterio reads bands of one dtype at a time.
        groups = [list(self.bands)] if self._one_dtype else [[band] for band in self.bands]
        read = [
            self._pixels_of.read(
                group,
                window=source,
                out_shape=(len(group), *shape),
                resampling=resampling,
                out_dtype="complex64" if self.is_complex else self.dtype,
            )
            for group in groups
        ]
        pixels: NDArray[Any] = read[0] if len(read) == 1 else np.concatenate(read)
        return np.abs(pixels) if self.is_complex else pixels

    def _masks(self, source: RasterioWindow, pixels: NDArray[Any], *, at_full_resolution: bool) -> NDArray[np.bool_]:
        """Where each band is valid: `(bands, height, width)`, or `(1, height, width)` where all bands share it."""
        if not self.mask_is_honoured:
            return np.ones((1, *pixels.shape[1:]), np.bool_)
        if self._nodata is not None and at_full_resolution:
            different: NDArray[np.bool_] = pixels != self._nodata
            return different
        if self.alpha is not None:
            alpha: NDArray[Any] = self._pixels_of.read(
                [self.alpha], window=source, out_shape=(1, *pixels.shape[1:]), resampling=Resampling.nearest
            )
            opaque: NDArray[np.bool_] = alpha > 0
            return opaque
        with warnings.catch_warnings():
            # A file with a nodata value and an alpha or mask band: the nodata value counts, as GDAL has it.
            warnings.simplefilter("ignore", NodataShadowWarning)
            masks: NDArray[np.uint8] = self._pixels_of.read_masks(
                list(self._mask_bands),
                window=source,
                out_shape=(len(self._mask_bands), *pixels.shape[1:]),
                resampling=Resampling.nearest,
            )
        inside: NDArray[np.bool_] = masks != 0
        return inside


@contextmanager
def open_raster(
    path: str | Path, bands: Sequence[int | str] | None = None, *, modulus: bool = False
) -> Iterator[RasterReader]:
    """Opens a raster that GDAL can read.

    Args:
        path: A local path, `s3://bucket/key`, another of `components.geo.paths`, or GDAL's `/vsi...`.
        bands: The bands to read, by number (from 1) or by description; None takes all that are not tagged as alpha.
        modulus: Whether to read complex numbers, by their modulus, instead of refusing them.

    Raises:
        MissingFileError: If there is no such file.
        RasterError: If it is no raster, lacks a band, has a dtype EOSeg cannot use, or ground control points alone.
    """
    path = str(path)
    # GDAL asks for it once in a process, when it first reads pixels; who sets the variable has the last word.
    os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MB))
    if not is_remote(path) and not file_exists(path):
        raise _missing(path)
    try:
        with warnings.catch_warnings():
            # Plain JPEG and PNG have no georeference: the empty CRS says so.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(gdal_path(path))
    except RasterioError as error:
        if is_remote(path) and says_not_there(error):
            raise _missing(path) from error
        raise RasterError(
            f"{path} cannot be opened: {_cause(error)}",
            "a raster that GDAL can read (GeoTIFF, JPEG, PNG, VRT)",
            "check the credentials and the endpoint in the environment (docs/formats.md)"
            if is_remote(path)
            else "the file is probably damaged or something else than its name says: replace it or leave the tile out",
        ) from error
    with dataset:
        points, _ = dataset.gcps
        if points and not dataset.crs and dataset.transform.is_identity:
            raise RasterError(
                f"{path} has {len(points)} ground control points, but neither a transform nor a coordinate system",
                "pixels on a regular grid on the ground",
                f"warp it first, to the coordinate system of your maps: gdalwarp -t_srs EPSG:... "
                f"'{Path(path).name}' warped.tif",
            )
        with _without_overviews(dataset) as pixels:
            yield RasterReader(path, dataset, pixels, bands, modulus)


@contextmanager
def _without_overviews(dataset: rasterio.DatasetReader) -> Iterator[rasterio.DatasetReader]:
    """The file, opened so that GDAL reads no overview in place of the pixels.

    Overviews may have been made in any way: by averaging class numbers, or of an older state of the file. Opened so,
    GDAL leaves out descriptions and ground control points; those are asked of `dataset`.
    """
    if not any(dataset.overviews(band) for band in dataset.indexes):
        yield dataset
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        pixels = rasterio.open(dataset.name, OVERVIEW_LEVEL="NONE")
    with pixels:
        yield pixels


@contextmanager
def _reading(path: str, window: Window) -> Iterator[None]:
    """Translates what rasterio raises while pixels are read."""
    try:
        yield
    except RasterioError as error:
        raise RasterError(
            f"{path} cannot be read at row {window.row}, column {window.col}: {_cause(error)}",
            "a complete raster",
            "the file is probably truncated or damaged: copy or download it again, or leave the tile out",
        ) from error


def _missing(path: str) -> MissingFileError:
    return MissingFileError(
        f"{path} does not exist",
        "a raster file",
        "correct the path or the pattern in the configuration"
        + (", or the store's credentials and endpoint in the environment" if is_remote(path) else ""),
    )


def _cause(error: BaseException) -> Any:
    """The innermost message: rasterio's own says only "Read failed. See previous exception for details."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(".") or type(error).__name__
