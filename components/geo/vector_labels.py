"""Labels given as polygons, lines and points."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.geo.class_names import find_id, id_of
from components.geo.label_options import VectorLabels
from components.geo.label_reader import IgnoreReader, LabelReader
from components.geo.raster import Grid
from components.geo.rasterize import BurntShapes
from components.geo.vector_file import VectorFile, read_grid_size
from components.geo.vector_shapes import (
    affine_map,
    bounds_in,
    file_crs,
    image_crs,
    simple_parts,
    unit_to_pixels,
    warped,
    widened,
)
from components.geo.window import Window
from components.tile_source import TileSource


@dataclass(frozen=True)
class TileShapes:
    """The shapes of one tile.

    Attributes:
        burnt: Shapes with codes from 1; 0 is the background.
        texts: The attribute's text for each code from 1; None is missing.
        ids: `(codes,)` uint8 class ids; the first is the background's.
    """

    burnt: BurntShapes
    texts: tuple[str | None, ...]
    ids: NDArray[np.uint8]


class VectorLabelReader(LabelReader):
    """Reads burnt shapes; `attribute` is the name of their class attribute."""

    def __init__(self, grid: Grid, shapes: TileShapes, attribute: str, ignore: IgnoreReader | None = None) -> None:
        super().__init__(grid, None, ignore)
        self._shapes = shapes
        self._attribute = attribute

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """See `LabelReader.read`; attribute values that mean no class are unknown."""
        return self._shapes.ids.take(self._shapes.burnt.read(window, downsample))

    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """A number for each attribute value; 0 where there is no geometry."""
        return self._shapes.burnt.read(window).astype(np.int64)

    def describe(self, raw: int) -> str:
        """`landuse 'orchard'`."""
        if raw == 0:
            return "background"
        text = self._shapes.texts[raw - 1]
        return f"{self._attribute} missing" if text is None else f"{self._attribute} '{text}'"


class VectorSource:
    """Makes readers for the tiles of one data set; keeps the shapes of the tile read last.

    Raises:
        ConfigError: If the options name a class that is not in the table.
    """

    def __init__(self, options: VectorLabels, table: ClassTable) -> None:
        self._options = options
        self._table = table
        self._background = id_of(options.background, table, "labels.background")
        self._values = {
            value: id_of(name, table, f"labels.values.{value}") for value, name in (options.values or {}).items()
        }
        self._width_m = np.zeros(256)
        for name, width in options.line_width_m.items():
            self._width_m[id_of(name, table, "labels.line_width_m")] = width
        # Position of each class id from bottom to top; what means nothing lies on top, so that it cannot hide.
        order = [i for i in range(len(table)) if table.names[i] not in options.burn_order]
        order += [id_of(name, table, "labels.burn_order") for name in options.burn_order]
        if VOID_ID not in order:
            order.append(VOID_ID)
        self._rank = np.full(256, len(order))
        self._rank[order] = np.arange(len(order))
        self._kept: tuple[object, TileShapes] | None = None

    def open(self, source: TileSource, grid: Grid, ignore: IgnoreReader | None = None) -> LabelReader:
        """The tile's shapes on the image's grid.

        Raises:
            MissingFileError: If the file is not there.
            LabelError: If it cannot be read, placed on the grid, or has not the attributes.
        """
        stamp = Path(source.label).stat().st_mtime_ns if Path(source.label).exists() else None
        key = (source.label, stamp, source.tile, grid)
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # two tiles' shapes need not be held at once
            self._kept = (key, self._load(source, grid))
        return VectorLabelReader(grid, self._kept[1], self._options.attribute, ignore)

    def _load(self, source: TileSource, grid: Grid) -> TileShapes:
        options = self._options
        crs = image_crs(grid, f"the geometries of {source.label}") if options.coordinates == "ground" else None
        file = VectorFile(source.label, options)
        to_image = affine_map(~grid.georeference.transform)
        bounds = None
        if crs is not None:
            from_crs = file_crs(source.label, file.crs, options.crs)
            metres_a_unit = crs.linear_units_factor[1] if crs.is_projected else 1.0
            transform = grid.georeference.transform
            margin = max(options.line_width_m.values(), default=0.0) / metres_a_unit
            margin += 2 * max(np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e))
            bounds = bounds_in(grid, crs, from_crs, margin)
        features = file.read(bounds, source.whole_tile)
        code_of = {text: code for code, text in enumerate(dict.fromkeys(features.texts), 1)}
        texts = tuple(code_of)
        ids = np.array([self._background, *(self._id_of(text) for text in texts)], np.uint8)
        codes = np.array([code_of[text] for text in features.texts], np.int64)
        parts, origin = simple_parts(features.geometries)
        codes = codes[origin]
        widths = self._width_m[ids[codes]]
        if crs is not None:
            parts = warped(parts, from_crs, crs, bounds, source.label)
            parts = shapely.transform(widened(parts, widths, crs), to_image)
        else:
            parts = self._in_pixels(parts, widths, source, grid)
        order = np.argsort(self._rank[ids[codes]], kind="stable")
        return TileShapes(BurntShapes(parts[order], codes[order], grid.width, options.all_touched), texts, ids)

    def _in_pixels(
        self, parts: NDArray[np.object_], widths: NDArray[np.float64], source: TileSource, grid: Grid
    ) -> NDArray[np.object_]:
        """Parts that came without ground coordinates, in the image's pixels."""
        if self._options.grid_sizes is not None:
            sizes = read_grid_size(self._options.grid_sizes, source.whole_tile)
            parts = shapely.transform(parts, affine_map(unit_to_pixels(grid, *sizes)))
        if not widths.any():
            return parts
        # A width in metres is a width on the ground, also where pixels are not square.
        crs = image_crs(grid, "line widths") if grid.georeference.crs else None
        transform = grid.georeference.transform
        on_ground = widened(shapely.transform(parts, affine_map(transform)), widths, crs)
        in_pixels: NDArray[np.object_] = shapely.transform(on_ground, affine_map(~transform))
        return in_pixels

    def _id_of(self, text: str | None) -> int:
        if text is None:
            return UNKNOWN_ID
        if self._options.values is not None:
            return self._values.get(text, UNKNOWN_ID)
        found = find_id(text, self._table)
        return UNKNOWN_ID if found is None else found
