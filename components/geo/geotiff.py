"""Reads rasters window by window; the one place where rasterio opens a file to read."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from components.errors import MissingFileError, RasterError
from components.geo.raster import Georeference, Grid, Raster
from components.geo.window import Window

READABLE_DTYPES = ("uint8", "uint16", "int16", "float32")


class RasterReader:
    """An open raster; made by `open_raster`.

    Attributes:
        path: As given.
        height, width: In pixels.
        bands: Numbers of the bands that are read, starting at 1.
        dtype: Name of the pixels' NumPy dtype.
        georeference: Of the whole raster.
        crs: rasterio's CRS object (equal for two spellings of one system), or None.
    """

    def __init__(self, path: str, dataset: rasterio.DatasetReader, bands: Sequence[int] | None) -> None:
        if bands is None:
            # An alpha band is a mask, not a measurement, unless somebody names it.
            colorinterp = dataset.colorinterp
            bands = [i for i in dataset.indexes if colorinterp[i - 1] is not ColorInterp.alpha]
        missing = [band for band in bands if band not in dataset.indexes]
        if missing:
            raise RasterError(
                f"{path} has {dataset.count} band(s), not band {missing[0]}",
                f"band numbers from 1 to {dataset.count}",
                "correct the band numbers of the configuration, or the file",
            )
        self.path = path
        self.bands = tuple(bands)
        self.height: int = dataset.height
        self.width: int = dataset.width
        self.dtype: str = dataset.dtypes[bands[0] - 1]
        self.crs = dataset.crs
        self.georeference = Georeference(dataset.transform, dataset.crs.to_wkt() if dataset.crs else "")
        self._dataset = dataset
        self._mask_is_needed = _has_mask(dataset, self.bands)

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
        resampling = Resampling.nearest if nearest else Resampling.average
        try:
            pixels = self._dataset.read(
                list(self.bands), window=source, out_shape=(len(self.bands), height, width), resampling=resampling
            )
            valid = self._valid(source, (height, width))
        except RasterioError as error:
            raise RasterError(
                f"{self.path} cannot be read at row {window.row}, column {window.col}: {_cause(error)}",
                "a complete raster",
                "the file is probably truncated or damaged: copy or download it again, or leave the tile out",
            ) from error
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(pixels).all(axis=0)
        return Raster(
            np.ascontiguousarray(pixels.transpose(1, 2, 0)),
            valid,
            self.georeference.at(window.row, window.col, downsample),
        )

    def _valid(self, source: RasterioWindow, shape: tuple[int, int]) -> NDArray[np.bool_]:
        if not self._mask_is_needed:
            return np.ones(shape, np.bool_)
        # Valid where any chosen band is: a single band that happens to hold the nodata value (dark water in the
        # near infrared) does not make a hole in the image.
        masks: NDArray[np.uint8] = self._dataset.read_masks(
            list(self.bands), window=source, out_shape=(len(self.bands), *shape), resampling=Resampling.nearest
        )
        valid: NDArray[np.bool_] = masks.any(axis=0)
        return valid


@contextmanager
def open_raster(path: str | Path, bands: Sequence[int] | None = None) -> Iterator[RasterReader]:
    """Opens a raster that GDAL can read.

    Args:
        path: A local path.
        bands: Numbers of the bands to read, starting at 1; None takes all that are not tagged as alpha.

    Raises:
        MissingFileError: If there is no such file.
        RasterError: If it is no raster, has other band numbers, a dtype EOSeg cannot use, or a rotated transform.
    """
    path = str(path)
    if not Path(path).exists():
        raise MissingFileError(
            f"{path} does not exist", "a raster file", "correct the path or the pattern in the configuration"
        )
    try:
        with warnings.catch_warnings():
            # Plain JPEG and PNG have no georeference: the empty CRS says so.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioError as error:
        raise RasterError(
            f"{path} cannot be opened: {_cause(error)}",
            "a raster that GDAL can read (GeoTIFF, JPEG, PNG, VRT)",
            "the file is probably damaged or something else than its name says: replace it or leave the tile out",
        ) from error
    with dataset:
        transform = dataset.transform
        if transform.b or transform.d:
            raise RasterError(
                f"{path} has a rotated transform {tuple(transform)[:6]}",
                "rows and columns along the axes of the coordinate system",
                f"warp it first: gdalwarp {Path(path).name} north_up.tif",
            )
        reader = RasterReader(path, dataset, bands)
        if reader.dtype not in READABLE_DTYPES:
            raise RasterError(
                f"{path} has pixels of type {reader.dtype}",
                " or ".join(READABLE_DTYPES),
                f"convert it: gdal_translate -ot Float32 {Path(path).name} converted.tif",
            )
        yield reader


def _has_mask(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> bool:
    """Whether any chosen band has a mask to honour: nodata, alpha or a mask band.

    An alpha flag is ignored where the "alpha" band is itself among the chosen ones: ISPRS Potsdam tags its infrared
    band so.
    """
    colorinterp = dataset.colorinterp
    alpha_is_chosen = any(colorinterp[band - 1] is ColorInterp.alpha for band in bands)
    for band in bands:
        flags = dataset.mask_flag_enums[band - 1]
        if MaskFlags.all_valid in flags:
            continue
        if MaskFlags.alpha in flags and alpha_is_chosen:
            continue
        return True
    return False


def _cause(error: BaseException) -> Any:
    """The innermost message: rasterio's own says only "Read failed. See previous exception for details."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(".") or type(error).__name__
