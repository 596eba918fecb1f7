"""Burns shapes into the pixels of a tile."""

from collections import OrderedDict
from typing import Any

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray

from components.geo.blocks import runs, sampled_pixels
from components.geo.vector_shapes import POLYGON
from components.geo.window import Window

BLOCK_PX = 512
"""Shapes are burnt in blocks of this side, laid out from the tile's corner: a pixel whose centre lies on an edge is
decided by rounding, and so always in the same block with the same rounding."""

_CLIP_VERTICES = 256
"""Polygons with more vertices are clipped to the block first: a forest's outline of a million vertices would otherwise
be walked through for each block that it touches."""

_CLIP_MARGIN_PX = 8


class BurntShapes:
    """Shapes burnt on demand, window by window; later shapes cover earlier ones.

    A polygon has the pixels whose centre it covers, a line those that it runs through from vertex to vertex, one wide,
    a point the pixel that it lies in.

    Args:
        shapes: `(n,)` shapely polygons, lines and points, from bottom to top, in pixels: x is the column, y the row,
            (0, 0) the upper left corner of the tile.
        codes: `(n,)` what each burns, from 1; 0 stays where there is no shape.
        width: Of the tile, in pixels.
        all_touched: Burn every pixel that a shape touches.
    """

    def __init__(self, shapes: NDArray[Any], codes: NDArray[np.int64], width: int, all_touched: bool) -> None:
        most = int(codes.max(initial=0))
        self.dtype = np.dtype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.int32)
        self._shapes = shapes
        self._codes = codes
        self._all_touched = all_touched
        self._tree = shapely.STRtree(shapes)
        self._large = (shapely.get_num_coordinates(shapes) > _CLIP_VERTICES) & (shapely.get_type_id(shapes) == POLYGON)
        # One row of blocks, and one block: a tile that is read in strips burns no block twice.
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()
        self._most_kept = -(-width // BLOCK_PX) + 1

    def read(self, window: Window, downsample: int = 1) -> NDArray[Any]:
        """Codes `(height // downsample, width // downsample)`, of the pixels that `sampled_pixels` names."""
        rows, cols = sampled_pixels(window, downsample)
        found = np.empty((len(rows), len(cols)), self.dtype)
        for row_slice, col_slice in runs(rows, cols, BLOCK_PX):
            block_row, block_col = int(rows[row_slice][0]) // BLOCK_PX, int(cols[col_slice][0]) // BLOCK_PX
            block = self._block(block_row, block_col)
            in_rows = rows[row_slice] - block_row * BLOCK_PX
            in_cols = cols[col_slice] - block_col * BLOCK_PX
            found[row_slice, col_slice] = block[np.ix_(in_rows, in_cols)]
        return found

    def _block(self, row: int, col: int) -> NDArray[Any]:
        block = self._kept.get((row, col))
        if block is not None:
            self._kept.move_to_end((row, col))
            return block
        block = self._burn(row * BLOCK_PX, col * BLOCK_PX)
        self._kept[row, col] = block
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return block

    def _burn(self, row: int, col: int) -> NDArray[Any]:
        around = (
            col - _CLIP_MARGIN_PX,
            row - _CLIP_MARGIN_PX,
            col + BLOCK_PX + _CLIP_MARGIN_PX,
            row + BLOCK_PX + _CLIP_MARGIN_PX,
        )
        near = np.sort(self._tree.query(shapely.box(*around)))
        shapes = self._shapes[near]
        large = self._large[near]
        if large.any():
            shapes[large] = shapely.clip_by_rect(shapes[large], *around)
        full = ~shapely.is_empty(shapes)
        if not full.any():
            return np.zeros((BLOCK_PX, BLOCK_PX), self.dtype)
        burnt: NDArray[Any] = rasterio.features.rasterize(
            zip(shapes[full], self._codes[near[full]].tolist(), strict=True),
            out_shape=(BLOCK_PX, BLOCK_PX),
            fill=0,
            transform=Affine.translation(col, row),
            all_touched=self._all_touched,
            dtype=self.dtype.name,
        )
        return burnt
