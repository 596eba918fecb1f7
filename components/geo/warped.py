"""Puts a raster onto the pixel grid of another: the bands of a composite, never labels."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rasterio.windows import Window as RasterioWindow

from components.errors import RasterError
from components.geo.float_vrt import float_bands
from components.geo.geotiff import RasterReader
from components.geo.raster import Grid
from components.geo.window import Window

SAME_PLACE_PX = 0.01
"""Grids whose corners lie within a hundredth of a pixel are one grid: transforms are often written with few digits."""

TOLERANCE_PX = 1e-5
"""How far GDAL may interpolate coordinates from the truth, in the raster's pixels: nothing for the eye. (0 would be
exact, but rasterio 1.4 then opens no warped raster at all.)"""

_BLOCK = (256, 1024)
"""Rows and columns that are warped at once. Blocks start at multiples of it, so that no pixel depends on the window
that was asked for."""

_KEPT_BYTES = 64_000_000
"""Warped blocks are kept up to this size: windows share them at their seams."""

# Grids without a coordinate system are put into one that only the warper sees; any projected one will do, and an origin
# apart from zero, because GDAL takes the identity for "no transform".
_NOWHERE = rasterio.CRS.from_epsg(3857)
_APART = Affine(1, 0, 1000, 0, -1, 1000)


class WarpedReader:
    """A raster's bands on another grid; made by `on_grid`.

    Attributes:
        dtype: Name of the pixels' NumPy dtype, the raster's own.
        is_complex: As of the raster: its pixels are moduli.
        words: What was resampled onto what, for people.
    """

    def __init__(self, source: RasterReader, words: str, dataset: WarpedVRT) -> None:
        self.dtype = source.dtype
        self.is_complex = source.is_complex
        self.words = words
        self._path = source.path
        self._dataset = dataset
        self._blocks: OrderedDict[tuple[int, int], NDArray[np.float32]] = OrderedDict()

    def read_each(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """See `components.geo.geotiff.RasterReader.read_each`; the window is in pixels of the other grid."""
        pixels = np.empty((self._dataset.count, window.height, window.width), np.float32)
        rows, cols = _BLOCK
        for row in range(window.row // rows * rows, window.row_stop, rows):
            for col in range(window.col // cols * cols, window.col_stop, cols):
                block = self._block(row, col)
                shared = Window(row, col, *block.shape[1:]).intersection(window)
                if shared is not None:
                    here = (
                        slice(shared.row - row, shared.row_stop - row),
                        slice(shared.col - col, shared.col_stop - col),
                    )
                    there = (
                        slice(shared.row - window.row, shared.row_stop - window.row),
                        slice(shared.col - window.col, shared.col_stop - window.col),
                    )
                    pixels[(slice(None), *there)] = block[(slice(None), *here)]
        valid = np.isfinite(pixels)
        if np.dtype(self.dtype).kind != "f":
            pixels[~valid] = 0
            return np.rint(pixels).astype(self.dtype), valid
        return pixels, valid

    def _block(self, row: int, col: int) -> NDArray[np.float32]:
        if (row, col) in self._blocks:
            self._blocks.move_to_end((row, col))
            return self._blocks[row, col]
        height = min(_BLOCK[0], self._dataset.height - row)
        width = min(_BLOCK[1], self._dataset.width - col)
        try:
            block: NDArray[np.float32] = self._dataset.read(window=RasterioWindow(col, row, width, height))
        except RasterioError as error:
            raise RasterError(
                f"{self._path} cannot be read for the pixels at row {row}, column {col} of the image",
                "a complete raster",
                "the file is probably truncated or damaged: copy or download it again, or leave the tile out",
            ) from error
        self._blocks[row, col] = block
        while len(self._blocks) > 1 and sum(kept.nbytes for kept in self._blocks.values()) > _KEPT_BYTES:
            self._blocks.popitem(last=False)
        return block


@contextmanager
def on_grid(name: str, source: RasterReader, image: RasterReader) -> Iterator[RasterReader | WarpedReader]:
    """The bands of a raster on the image's grid.

    On the same grid it is read as it is. Otherwise it is warped: the average of its valid pixels where they are finer
    than the image's, bilinear between them where not. A raster that has a transform but no coordinate system is taken
    to be in the image's; one without either, or beside an image without either, must have the image's size or a whole
    multiple or fraction of it, and shows the same ground.

    Args:
        name: The raster's name in the configuration, for messages.
        source: The raster.
        image: The image, which gives the grid.

    Raises:
        RasterError: If the two share no ground, or nothing says how they lie to each other.
    """
    if _has_place(source) and _has_place(image):
        source_crs, image_crs = source.crs or image.crs or _NOWHERE, image.crs or source.crs or _NOWHERE
        source_transform, image_transform = source.georeference.transform, image.georeference.transform
    else:
        source_crs = image_crs = _NOWHERE
        source_transform, image_transform = _scaled(name, source, image), _APART
    to_source = _Placement(image_transform, image_crs, source_transform, source_crs)
    same_size = (source.height, source.width) == (image.height, image.width)
    if same_size and to_source.largest_shift(image.grid) < SAME_PLACE_PX:
        yield source
        return
    _check_overlap(name, source, image, to_source)
    ratio = to_source.scale_at(image.height / 2, image.width / 2)
    with (
        rasterio.open(float_bands(source, source_crs, source_transform)) as bands,
        WarpedVRT(
            bands,
            crs=image_crs,
            transform=image_transform,
            height=image.height,
            width=image.width,
            nodata=math.nan,
            src_nodata=math.nan,
            dtype="float32",
            resampling=Resampling.average if ratio > 1 + SAME_PLACE_PX else Resampling.bilinear,
            tolerance=TOLERANCE_PX,
            UNIFIED_SRC_NODATA="NO",  # each band has its own holes
            # Between four neighbours, always: GDAL would choose a kernel anew for each block, from the block's shape.
            XSCALE="1",
            YSCALE="1",
        ) as warped,
    ):
        yield WarpedReader(source, _words(name, source, image, ratio), warped)


class _Placement:
    """Maps corners of image pixels (row, col) to (row, col) in another raster."""

    def __init__(self, image: Affine, image_crs: Any, source: Affine, source_crs: Any) -> None:
        self._image, self._image_crs = image, image_crs
        self._from_source, self._source_crs = ~source, source_crs

    def __call__(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        xs, ys = self._image @ (cols, rows)
        if self._image_crs != self._source_crs:
            try:
                xs, ys = (np.asarray(values) for values in transform_points(self._image_crs, self._source_crs, xs, ys))
            except (RasterioError, CPLE_BaseError):  # outside of where the projection is defined
                xs = ys = np.full(len(rows), np.inf)
        source_cols, source_rows = self._from_source @ (xs, ys)
        return source_rows, source_cols

    def largest_shift(self, grid: Grid) -> float:
        """How far the corners of the grid lie from the raster's pixels of the same numbers, in its pixels."""
        rows = np.array([0.0, 0.0, grid.height, grid.height])
        cols = np.array([0.0, grid.width, 0.0, grid.width])
        source_rows, source_cols = self(rows, cols)
        shift = np.hypot(source_rows - rows, source_cols - cols)
        return float(shift.max()) if np.isfinite(shift).all() else math.inf

    def scale_at(self, row: float, col: float) -> float:
        """How many of the raster's pixels make one side of the image's pixel there."""
        rows, cols = self(np.array([row, row + 1, row]), np.array([col, col, col + 1]))
        if not (np.isfinite(rows).all() and np.isfinite(cols).all()):
            return 1.0
        area = (rows[1] - rows[0]) * (cols[2] - cols[0]) - (cols[1] - cols[0]) * (rows[2] - rows[0])
        return math.sqrt(abs(float(area)))


def _has_place(raster: RasterReader) -> bool:
    return bool(raster.crs) or not raster.georeference.transform.is_identity


def _scaled(name: str, source: RasterReader, image: RasterReader) -> Affine:
    """The transform of a raster that shows the image's ground in pixels a whole number of times larger or smaller."""
    if image.height * source.width != image.width * source.height or (
        image.height % source.height and source.height % image.height
    ):
        raise RasterError(
            f"the raster '{name}' ({source.path}) is {source.height} x {source.width} pixels (height x width), the "
            f"image {image.path} {image.height} x {image.width}, and they have no georeference in common",
            "the same size, a whole multiple or fraction of it, or a transform in both files",
            "crop or resample one of the two, or give both their georeference (gdal_edit.py -a_srs ... -a_ullr ...)",
        )
    return _APART @ Affine.scale(image.width / source.width)


def _check_overlap(name: str, source: RasterReader, image: RasterReader, to_source: _Placement) -> None:
    """Refuses a raster that lies elsewhere; the image's outline is followed, because edges may bend."""
    steps: NDArray[np.float64] = np.linspace(0, 1, 21)
    zeros, ones = np.zeros_like(steps), np.ones_like(steps)
    rows = np.concatenate([zeros, ones, steps, steps, [0.5]]) * image.height
    cols = np.concatenate([steps, steps, zeros, ones, [0.5]]) * image.width
    source_rows, source_cols = to_source(rows, cols)
    known = np.isfinite(source_rows) & np.isfinite(source_cols)
    if known.any():
        source_rows, source_cols = source_rows[known], source_cols[known]
        if (
            source_rows.min() < source.height
            and source_rows.max() > 0
            and source_cols.min() < source.width
            and source_cols.max() > 0
        ):
            return
    raise RasterError(
        f"the raster '{name}' ({source.path}, {source.crs_name}) and the image {image.path} ({image.crs_name}) "
        "share no ground",
        "rasters of the same place",
        "pair the right files, or correct the transform or the coordinate system of one of them",
    )


def _words(name: str, source: RasterReader, image: RasterReader, ratio: float) -> str:
    """`dsm: 0.45 m onto 0.09 m, EPSG:25832`."""
    if not (_has_place(source) and _has_place(image)):
        return f"{name}: {source.height} x {source.width} onto {image.height} x {image.width} pixels"
    transform = image.georeference.transform
    size = math.sqrt(abs(transform.determinant))
    unit = " m"
    if image.crs and image.crs.is_geographic:
        unit = " degrees"
    elif not image.crs or image.crs.linear_units not in ("metre", "meter"):
        unit = f" {image.crs.linear_units}" if image.crs else ""
    from_crs = f" from {source.crs_name}" if source.crs and source.crs != image.crs else ""
    return f"{name}: {size / ratio:.3g}{unit} onto {size:.3g}{unit}{from_crs}, {image.crs_name}"
