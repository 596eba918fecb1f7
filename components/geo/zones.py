"""Zones: polygons with a name (parcels, districts) whose ground is measured by class, on a tile's grid."""

import numpy as np
import shapely
from numpy.typing import NDArray

from components.geo.label_options import VectorLabels
from components.geo.raster import Grid
from components.geo.rasterize import BurntShapes
from components.geo.vector_file import VectorFile
from components.geo.vector_shapes import (
    POLYGON,
    affine_map,
    bounds_in,
    file_crs,
    image_crs,
    simple_parts,
    warped,
)
from components.geo.window import Window
from components.options import Options


class ZoneOptions(Options):
    """A vector file (GeoJSON, GeoPackage, Shapefile) of polygons with names."""

    file: str
    """Its path; a relative one is looked for below `data.root`."""
    attribute: str
    """The attribute that holds a zone's name; polygons of one name are one zone."""
    layer: str | None = None
    """The layer of the file; None takes the first."""
    crs: str | None = None
    """Overrides the file's coordinate system."""


class ZoneReader:
    """Reads which zone each pixel lies in; a pixel's centre decides, and where zones overlap, the later in the file.

    Args:
        options: The file.
        grid: The tile's.

    Attributes:
        names: Of the zones that the tile may touch; number 1 is the first.

    Raises:
        MissingFileError: If there is no such file.
        LabelError: If it cannot be read, has not the attribute, or cannot be placed on the grid.
    """

    def __init__(self, options: ZoneOptions, grid: Grid) -> None:
        crs = image_crs(grid, f"the zones of {options.file}")
        file = VectorFile(
            options.file,
            VectorLabels(kind="vectors", attribute=options.attribute, layer=options.layer, crs=options.crs),
        )
        from_crs = file_crs(options.file, file.crs, options.crs)
        transform = grid.georeference.transform
        margin = 2 * max(np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e))
        # The whole file, not what lies around the tile: a tile that no zone touches is no mistake.
        features = file.read(None, "")
        parts, origin = simple_parts(features.geometries)
        is_area = shapely.get_type_id(parts) == POLYGON
        parts, origin = parts[is_area], origin[is_area]
        texts = tuple(dict.fromkeys(text or "" for text in features.texts))
        number = {text: i for i, text in enumerate(texts, 1)}
        codes = np.array([number[features.texts[i] or ""] for i in origin], np.int64)
        parts = warped(parts, from_crs, crs, bounds_in(grid, crs, from_crs, margin), options.file)
        there = ~shapely.is_empty(parts)
        shapes = shapely.transform(parts[there], affine_map(~transform))
        self.names = texts
        self._burnt = BurntShapes(shapes, codes[there], grid.width, all_touched=False)

    def read(self, window: Window) -> NDArray[np.int64]:
        """`(height, width)` of the window: the number of the zone, from 1; 0 outside all."""
        return self._burnt.read(window).astype(np.int64)
