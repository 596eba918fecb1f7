"""What the tests of composites share: an image of known pixels, a plane of known heights, and how both are read."""

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import transform as transform_points

from components.geo.bands import Band, BandSet
from components.geo.image import open_image
from components.geo.raster import Raster
from components.geo.window import Window
from tests.make_raster import ORIGIN, gradient, write_raster

HEIGHT, WIDTH = 60, 80
WHOLE = Window(0, 0, HEIGHT, WIDTH)
HEIGHT_BAND = Band(name="height", raster="dsm", number=1)
RED = Band(name="red", number=1)
FAR = Affine.translation(7_000, 0)


def read_composite(
    bands: list[Band], window: Window = WHOLE, downsample: int = 1, *, image: Path, **rasters: Path
) -> tuple[Raster, str, tuple[str, ...]]:
    files = {"image": str(image), **{name: str(path) for name, path in rasters.items()}}
    with open_image(files, BandSet(bands=tuple(bands))) as reader:
        raster = reader.read(window, downsample)
        assert reader.dtype == raster.pixels.dtype
        assert reader.band_count == raster.pixels.shape[2]
        return raster, reader.dtype, reader.resampled


def write_image(tmp_path: Path, **kwargs: Any) -> Path:
    return write_raster(tmp_path / "an image.tif", gradient(HEIGHT, WIDTH), **kwargs)


def plane(height: int, width: int, transform: Affine, crs: str = "EPSG:25832") -> NDArray[np.float32]:
    """Numbers that rise evenly over the ground: `_expected_plane` at each pixel's centre."""
    rows, cols = np.mgrid[:height, :width] + 0.5
    xs, ys = transform @ (cols, rows)
    if crs != "EPSG:25832":
        xs, ys = (np.array(v) for v in transform_points(crs, "EPSG:25832", xs.ravel(), ys.ravel()))
    return height_at(np.asarray(xs), np.asarray(ys)).reshape(height, width).astype(np.float32)


def height_at(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    return 3 * (xs - 500_000) - 2 * (ys - 5_500_000)


EXPECTED_PLANE = plane(HEIGHT, WIDTH, ORIGIN)
