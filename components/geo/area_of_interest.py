"""The part of the ground whose truth counts: polygons; what lies outside them is void."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.errors import LabelError, MissingFileError
from components.geo.label_reader import LabelReader
from components.geo.paths import file_exists, gdal_path
from components.geo.raster import Grid
from components.geo.rasterize import BurntShapes
from components.geo.vector_shapes import POLYGON, affine_map, bounds_in, file_crs, image_crs, simple_parts, warped
from components.geo.window import Window


class InsideReader(LabelReader):
    """Labels inside an area of interest: outside it there is no truth.

    Args:
        labels: The labels of the whole tile.
        area: Code 1 inside, 0 outside.
    """

    def __init__(self, labels: LabelReader, area: BurntShapes) -> None:
        super().__init__(labels.grid, labels.raster, resamples=labels.resamples)
        self._labels = labels
        self._area = area

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """As the labels beneath, `VOID_ID` outside the area."""
        return self._labels.read(window, downsample) | self._outside(window, downsample)

    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """As the labels beneath."""
        return self._labels.read_raw(window)

    def describe(self, raw: int) -> str:
        """As the labels beneath."""
        return self._labels.describe(raw)

    def read_ignored(self, window: Window, downsample: int = 1) -> NDArray[np.bool_] | None:
        """As the labels beneath."""
        return self._labels.read_ignored(window, downsample)

    def _outside(self, window: Window, downsample: int) -> NDArray[np.uint8]:
        """`VOID_ID`, which has all bits set, outside the area, 0 inside."""
        return np.where(self._area.read(window, downsample) == 0, np.uint8(VOID_ID), np.uint8(0))


def open_area(path: str, grid: Grid) -> BurntShapes:
    """The polygons of a vector file on a tile's grid: 1 where they cover a pixel's centre.

    Args:
        path: What OGR reads; its own coordinate system is warped to the tile's.
        grid: The tile's grid, georeferenced.

    Raises:
        MissingFileError: If there is no such file.
        LabelError: If it cannot be read, holds no polygon, or the tile has no place on the ground.
    """
    import pyogrio.raw
    import shapely
    from pyogrio.errors import DataSourceError

    if not file_exists(path) and not Path(path).exists():
        raise MissingFileError(f"{path} does not exist", "a vector file", "correct data.area_of_interest")
    crs = image_crs(grid, f"the polygons of {path} (data.area_of_interest)")
    try:
        meta, _, geometries, _ = pyogrio.raw.read(gdal_path(path), columns=[])
    except DataSourceError as error:
        raise LabelError(
            f"{path} cannot be read: {error}", "polygons in a vector file", "correct data.area_of_interest"
        ) from error
    parts, _ = simple_parts(shapely.from_wkb(geometries))
    parts = parts[shapely.get_type_id(parts) == POLYGON]
    if not len(parts):
        raise LabelError(f"{path} holds no polygon", "the area of interest", "correct data.area_of_interest")
    from_crs = file_crs(path, meta["crs"], None)
    parts = warped(parts, from_crs, crs, bounds_in(grid, crs, from_crs, 0), path)
    parts = parts[~shapely.is_empty(parts)]
    parts = shapely.transform(parts, affine_map(~grid.georeference.transform))
    return BurntShapes(parts, np.ones(len(parts), np.int64), grid.width, all_touched=False)
