"""One factory makes any test raster."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

ORIGIN = Affine(0.5, 0, 500_000, 0, -0.5, 5_500_000)


def write_raster(
    path: Path,
    pixels: NDArray[Any],
    *,
    crs: str | None = "EPSG:25832",
    transform: Affine = ORIGIN,
    nodata: float | None = None,
    palette: Sequence[tuple[int, int, int]] | None = None,
    driver: str = "GTiff",
    descriptions: Sequence[str | None] | None = None,
    mask: NDArray[np.bool_] | None = None,
    last_is_alpha: bool = False,
    creation: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `(height, width, bands)` or `(height, width)` pixels; `mask` (True is valid) into a `.msk` file beside."""
    stack = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width, bands = stack.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".msk").unlink(missing_ok=True)
    path.unlink(missing_ok=True)  # GDAL opens what it overwrites, and a test may have broken it
    place = {"crs": crs, "transform": transform} if crs else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver=driver,
            height=height,
            width=width,
            count=bands,
            dtype=stack.dtype,
            nodata=nodata,
            **place,
            **({"photometric": "minisblack"} if last_is_alpha else {}),
            **(creation or {}),
        ) as dataset:
            if last_is_alpha:  # GTiff takes it only before the pixels
                dataset.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * (bands - 2), ColorInterp.alpha]
            dataset.write(stack.transpose(2, 0, 1))
            if palette is not None:
                dataset.write_colormap(1, {i: (*color, 255) for i, color in enumerate(palette)})
            for number, description in enumerate(descriptions or (), 1):
                if description:
                    dataset.set_band_description(number, description)
            if mask is not None:
                with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
                    dataset.write_mask(mask)
    return path


def gradient(height: int, width: int, bands: int = 3) -> NDArray[np.uint8]:
    """A picture in which every shift and every wrong resampling shows."""
    rows, cols = np.mgrid[:height, :width]
    return np.stack([(rows + 2 * cols + 50 * band) % 256 for band in range(bands)], axis=-1).astype(np.uint8)
