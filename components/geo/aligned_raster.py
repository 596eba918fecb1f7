"""Reads a raster of classes pixel by pixel on another raster's grid, by nearest neighbour only.

GDAL's warp is not used: it is approximated piece by piece, so that its result would depend on how a tile is cut into
windows. Here the source of each pixel is a function of the pixel alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # PROJ's own errors come as these, and are no RasterioError
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from components.errors import LabelError
from components.geo.blocks import runs, sampled_pixels
from components.geo.geotiff import RasterReader
from components.geo.raster import Grid
from components.geo.window import Window

READ_PIXELS = 8_000_000
"""About how many pixels of the file are held at once for one block."""

SAME_GRID_PX = 0.01
"""Grids whose corners lie nearer than this, in pixels, are one grid."""

NODE_PX = 32
"""The warp is computed by PROJ at nodes this many pixels apart and interpolated between them. Over 32 pixels of 10 m
the curvature of a transverse Mercator grid moves the middle by 320**2 / (8 * 6.4e6) = 0.002 m."""

MAX_BLOCK_PX = 512
"""Warped pixels are looked up in blocks of at most this side, laid out from the tile's corner."""

ROUNDING_PX = 1e-6
"""A centre nearer than this to the next pixel belongs to it: one that falls between two pixels goes to the right or
lower one everywhere, not only where the ground coordinates happen to be rounded up."""


@dataclass(frozen=True)
class AlignedPixels:
    """What was found on the grid.

    Attributes:
        pixels: `(height, width, bands)`.
        valid: `(height, width)` bool; False is nodata.
        outside: `(height, width)` bool, True beyond the raster; None where all is within.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_]
    outside: NDArray[np.bool_] | None


class AlignedRaster:
    """A raster on the grid of an image.

    Args:
        raster: The open raster.
        grid: The image's.
        resample: False reads the raster's pixels one to one, whatever its place on the ground.

    Raises:
        LabelError: With `resample`, if sizes differ in their proportions and there is no common ground.
    """

    def __init__(self, raster: RasterReader, grid: Grid, resample: bool) -> None:
        self.raster = raster
        self._grid = grid
        self._affine: Affine | None = None
        self._warp: tuple[CRS, CRS] | None = None
        self._block = MAX_BLOCK_PX
        if resample:
            self._find_place()

    @property
    def is_one_to_one(self) -> bool:
        """Whether the raster's own pixels are read."""
        return self._affine is None and self._warp is None

    def read(self, window: Window, downsample: int = 1) -> AlignedPixels:
        """The pixels of a window of the grid; with `downsample`, the one right below the middle of each square.

        Args:
            window: In the grid's pixels; its sides are cut to a multiple of `downsample`.
            downsample: How many pixels make one side of a returned pixel.

        Raises:
            LabelError: If the window reaches beyond a raster that is read one to one.
            RasterError: If the file cannot be read there.
        """
        if self.is_one_to_one:
            return self._read_direct(window, downsample)
        rows, cols = sampled_pixels(window, downsample)
        pixels = np.zeros((len(rows), len(cols), self.raster.band_count), self.raster.dtype)
        valid = np.zeros(pixels.shape[:2], np.bool_)
        outside = np.ones(pixels.shape[:2], np.bool_)
        for block in runs(rows, cols, self._block):
            self._look_up(rows[block[0]], cols[block[1]], pixels[block], valid[block], outside[block])
        return AlignedPixels(pixels, valid, outside)

    def _read_direct(self, window: Window, downsample: int) -> AlignedPixels:
        raster = self.raster
        if window.row_stop > raster.height or window.col_stop > raster.width:
            raise LabelError(
                f"{raster.path} has {raster.height} x {raster.width} pixels (height x width) and ends before row "
                f"{window.row_stop - 1}, column {window.col_stop - 1} of an image with {self._grid.height} x "
                f"{self._grid.width}",
                "a label of the image's size",
                "crop or warp it onto the image's grid by nearest neighbour, or set labels.resample: true",
            )
        found = raster.read(window, downsample, nearest=True)
        return AlignedPixels(found.pixels, found.valid, None)

    def _find_place(self) -> None:
        """Sets how the grid's pixels are found in the raster; nothing where the two are one grid."""
        raster, grid = self.raster, self._grid
        same_size = (raster.height, raster.width) == (grid.height, grid.width)
        if not raster.crs or not grid.georeference.crs:
            if same_size:
                return
            by_row, by_col = raster.height / grid.height, raster.width / grid.width
            # A pixel more or less is rounding; one part in a hundred is another crop.
            if abs(by_row / by_col - 1) > 0.01:
                raise LabelError(
                    f"{raster.path} has {raster.height} x {raster.width} pixels (height x width), the image "
                    f"{grid.height} x {grid.width}, and there are no ground coordinates to match them by",
                    "the image's proportions",
                    "crop the label to what the image shows, or give both a georeference",
                )
            self._affine = Affine.scale(by_col, by_row)
            return
        crs = CRS.from_wkt(grid.georeference.crs)
        if crs != raster.crs:
            self._warp = (crs, raster.crs)
            self._block = self._block_side()
            return
        affine = ~raster.georeference.transform @ grid.georeference.transform
        corners = [(x, y) for x in (0, grid.width) for y in (0, grid.height)]
        apart = max(max(abs(a - b) for a, b in zip(affine @ corner, corner, strict=True)) for corner in corners)
        if same_size and apart <= SAME_GRID_PX:
            return
        self._affine = affine
        self._block = self._block_side()

    def _block_side(self) -> int:
        """A block's side, such that a block of the grid covers no more than about `READ_PIXELS` of the file."""
        middle = np.array([[self._grid.height / 2.0], [self._grid.height / 2.0 + 1]])
        rows, cols = self._positions(middle, np.full((1, 1), self._grid.width / 2.0))
        step = float(np.hypot(rows[1, 0] - rows[0, 0], cols[-1, 0] - cols[0, 0]))
        if not np.isfinite(step) or step <= 0:
            return MAX_BLOCK_PX
        side = int(READ_PIXELS**0.5 / step)
        return max(NODE_PX, min(MAX_BLOCK_PX, side - side % NODE_PX))

    def _look_up(
        self,
        rows: NDArray[np.int64],
        cols: NDArray[np.int64],
        pixels: NDArray[Any],
        valid: NDArray[np.bool_],
        outside: NDArray[np.bool_],
    ) -> None:
        """Fills the last three from the file for grid pixels of one block."""
        if self._affine is not None:
            at_rows, at_cols = self._positions(rows[:, None] + 0.5, cols[None, :] + 0.5)
        else:
            at_rows, at_cols = self._interpolated(rows + 0.5, cols + 0.5)
        from_rows = np.floor(at_rows + ROUNDING_PX)
        from_cols = np.floor(at_cols + ROUNDING_PX)
        with np.errstate(invalid="ignore"):  # positions beyond the projection's domain are not finite
            inside = (from_rows >= 0) & (from_rows < self.raster.height)
            inside = inside & (from_cols >= 0) & (from_cols < self.raster.width)
        if not inside.any():
            return
        from_rows, from_cols = np.broadcast_arrays(from_rows, from_cols)
        wanted_rows, wanted_cols = from_rows[inside].astype(np.int64), from_cols[inside].astype(np.int64)
        top, left = int(wanted_rows.min()), int(wanted_cols.min())
        found = self.raster.read(
            Window(top, left, int(wanted_rows.max()) - top + 1, int(wanted_cols.max()) - left + 1), nearest=True
        )
        pixels[inside] = found.pixels[wanted_rows - top, wanted_cols - left]
        valid[inside] = found.valid[wanted_rows - top, wanted_cols - left]
        outside[inside] = False

    def _positions(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Where grid positions (rows, cols), broadcast against each other, lie in the raster, in its pixels."""
        if self._affine is not None:
            affine = self._affine
            if not affine.b and not affine.d:
                return affine.e * rows + affine.f, affine.a * cols + affine.c
            return affine.d * cols + affine.e * rows + affine.f, affine.a * cols + affine.b * rows + affine.c
        if self._warp is None:
            return rows, cols
        rows, cols = np.broadcast_arrays(rows, cols)
        transform = self._grid.georeference.transform
        xs = transform.a * cols + transform.b * rows + transform.c
        ys = transform.d * cols + transform.e * rows + transform.f
        try:
            lists = rasterio.warp.transform(*self._warp, xs.ravel().tolist(), ys.ravel().tolist())
        except (RasterioError, CPLE_BaseError) as error:
            raise LabelError(
                f"{self.raster.path} cannot be warped from {self.raster.crs_name}: {error}",
                "a coordinate system that reaches the image's place",
                "correct the label's or the image's coordinate system",
            ) from error
        xs, ys = (np.asarray(values).reshape(rows.shape) for values in lists[:2])
        inverse = ~self.raster.georeference.transform
        return inverse.d * xs + inverse.e * ys + inverse.f, inverse.a * xs + inverse.b * ys + inverse.c

    def _interpolated(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """`_positions` of all pairs of `rows` and `cols` (of one block), interpolated between the block's nodes."""
        node_rows, at_row = _nodes(rows)
        node_cols, at_col = _nodes(cols)
        found = []
        for values in self._positions(node_rows[:, None], node_cols[None, :]):
            i, t = at_row.astype(np.int64), (at_row % 1)[:, None]
            along = values[i] * (1 - t) + values[i + 1] * t
            j, u = at_col.astype(np.int64), at_col % 1
            found.append(along[:, j] * (1 - u) + along[:, j + 1] * u)
        return found[0], found[1]


def _nodes(positions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The nodes around sorted positions, and each position in units of nodes from the first."""
    first, last = int(positions[0] // NODE_PX), int(positions[-1] // NODE_PX) + 1
    return np.arange(first, last + 1) * float(NODE_PX), positions / NODE_PX - first
