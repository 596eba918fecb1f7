"""Reads geometries and their classes from vector files, as OGR opens them, and from CSV files with a WKT column."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from components.errors import LabelError, MissingFileError
from components.geo.label_options import VectorLabels, value_text
from components.geo.paths import file_exists, gdal_path

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""


@dataclass(frozen=True)
class Features:
    """Geometries with the text of their class attribute.

    Attributes:
        geometries: `(n,)` shapely geometries, none empty, two-dimensional.
        texts: The attribute of each; None where it is missing.
    """

    geometries: NDArray[Any]
    texts: tuple[str | None, ...]


class VectorFile:
    """One vector file, its layer and columns checked.

    Args:
        path: Local, or one of GDAL's virtual file systems.
        options: Which layer and which attributes.

    Attributes:
        crs: The layer's coordinate system as the file says it, or None.

    Raises:
        MissingFileError: If there is no such file.
        LabelError: If it cannot be opened, or has not the layer or an attribute.
    """

    def __init__(self, path: str, options: VectorLabels) -> None:
        if not file_exists(path) and not Path(path).exists():
            raise MissingFileError(f"{path} does not exist", "a vector file", "correct data.labels")
        self.path = path
        self._options = options
        self._is_csv = Path(path).suffix.lower() in (".csv", ".tsv")
        # KEEP_GEOM_COLUMNS, so that a wrong wkt_column shows as a column that is not there.
        self._open_options = (
            {"GEOM_POSSIBLE_NAMES": options.wkt_column, "HEADERS": "YES", "MAX_LINE_SIZE": "-1"} if self._is_csv else {}
        )
        info = self._call("read_info", layer=options.layer)
        self.crs: str | None = info["crs"]
        self._is_text = {
            str(name): dtype == "object" for name, dtype in zip(info["fields"], info["dtypes"], strict=True)
        }
        # A tile without objects may come as a file without features, and so without attributes.
        self._is_empty = info["features"] == 0
        if self._is_empty:
            return
        columns = [("attribute", options.attribute), ("tile_column", options.tile_column)]
        if self._is_csv:
            columns.append(("wkt_column", options.wkt_column))
        for key, column in columns:
            if column is not None and column not in self._is_text:
                raise LabelError(
                    f"{path} has no attribute '{column}' (labels.{key})",
                    f"one of {', '.join(self._is_text) or 'its attributes (it has none)'}",
                    f"correct labels.{key}" + ("" if self._is_csv else ", or labels.layer"),
                )
        if info["geometry_type"] is None:
            raise LabelError(
                f"the layer of {path} has no geometries", "polygons, lines or points", "correct labels.layer"
            )

    def read(self, bbox: Bounds | None, tile: str) -> Features:
        """The features that may touch `bbox` (in the layer's own coordinates), of the tile if a column says so.

        Raises:
            LabelError: If the file is damaged, no feature belongs to the tile, or all lie elsewhere.
        """
        options = self._options
        if self._is_empty:
            return Features(np.empty(0, object), ())
        columns = list(dict.fromkeys(c for c in (options.attribute, options.tile_column) if c))
        where = None
        if options.tile_column is not None and self._is_text[options.tile_column]:
            where = "\"{}\" = '{}'".format(options.tile_column.replace('"', '\\"'), tile.replace("'", "''"))
        meta, _, wkb, fields = self._call("raw.read", layer=options.layer, columns=columns, bbox=bbox, where=where)
        names = [str(name) for name in meta["fields"]]
        try:
            geometries = shapely.force_2d(shapely.from_wkb(wkb))
        except shapely.errors.ShapelyError as error:
            raise self._damaged(error) from error
        keep = np.ones(len(geometries), np.bool_)
        if options.tile_column is not None:
            of_tile = _texts(fields[names.index(options.tile_column)])
            keep &= np.array([text == tile for text in of_tile], np.bool_)
            if not keep.any():
                raise LabelError(
                    f"{self.path} has no row whose {options.tile_column} is '{tile}'",
                    "a row for every tile (one with an empty geometry where there is nothing)",
                    "correct data.tile_id or labels.tile_column",
                )
        elif bbox is not None and not len(geometries):
            self._check_is_near(bbox)
        keep &= ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
        texts = _texts(fields[names.index(options.attribute)])
        return Features(geometries[keep], tuple(text for text, kept in zip(texts, keep, strict=True) if kept))

    def _check_is_near(self, bbox: Bounds) -> None:
        """Refuses a file all of whose features lie elsewhere: its coordinates are not what they are taken for."""
        found = self._call("read_info", layer=self._options.layer, force_total_bounds=True)["total_bounds"]
        if found is None or not np.isfinite(found).all():
            return  # without features: there is nothing on this tile
        if found[0] <= bbox[2] and found[2] >= bbox[0] and found[1] <= bbox[3] and found[3] >= bbox[1]:
            return
        raise LabelError(
            f"all geometries of {self.path} lie beyond the tile: {_in_words(found)}, where the tile is at "
            f"{_in_words(bbox)}",
            "geometries around the tile",
            "check the file's coordinate system (labels.crs overrides it) and for x and y exchanged; leave a tile that "
            "was not labelled out (data.exclude)",
        )

    def _call(self, function: str, **arguments: Any) -> Any:
        import pyogrio.raw  # tens of milliseconds, and only vector labels need it
        from pyogrio.errors import DataSourceError

        target = pyogrio.raw.read if function == "raw.read" else pyogrio.read_info
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # GDAL's remarks (an unclosed ring): repaired later
                return target(gdal_path(self.path), **arguments, **self._open_options)
        except (DataSourceError, ValueError, RuntimeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> LabelError:
        return LabelError(
            f"{self.path} cannot be read: {str(error).splitlines()[0].rstrip('.')}",
            "a vector file that OGR can read (GeoJSON, GeoPackage, Shapefile, CSV with WKT)",
            "the file is probably damaged or something else than its name says, or labels.layer is no layer of it",
        )


def read_grid_size(path: str, tile: str) -> tuple[float, float]:
    """(x_max, y_min) of a tile, from a CSV as DSTL has it: the tile's id in the first column, then Xmax and Ymin.

    Raises:
        MissingFileError: If there is no such file.
        LabelError: If it has not these columns, or not the tile.
    """
    import pyogrio.raw

    if not file_exists(path) and not Path(path).exists():
        raise MissingFileError(f"{path} does not exist", "a CSV with the tiles' sizes", "correct labels.grid_sizes")
    try:
        meta, _, _, fields = pyogrio.raw.read(gdal_path(path), read_geometry=False, HEADERS="YES")
        names = [str(name).lower().replace("_", "") for name in meta["fields"]]
        tiles, x_max, y_min = fields[0], fields[names.index("xmax")], fields[names.index("ymin")]
        sizes = {str(t): (float(x), float(y)) for t, x, y in zip(tiles, x_max, y_min, strict=True)}
    except (IndexError, ValueError, RuntimeError) as error:
        raise LabelError(
            f"{path} cannot be read as sizes of tiles",
            "a CSV with a header: the tile's id in the first column, and columns x_max and y_min (also Xmax, Ymin)",
            "correct the file or labels.grid_sizes",
        ) from error
    if tile not in sizes:
        raise LabelError(
            f"{path} has no row for tile '{tile}'", "a row for every tile", "add it, or correct data.tile_id"
        )
    x, y = sizes[tile]
    if not (math.isfinite(x) and math.isfinite(y)) or x == 0 or y == 0:
        raise LabelError(
            f"{path} gives tile '{tile}' x_max {x:g} and y_min {y:g}", "numbers other than zero", "correct it"
        )
    return x, y


def _in_words(bounds: Sequence[float]) -> str:
    west, south, east, north = bounds
    return f"x {west:.7g} to {east:.7g}, y {south:.7g} to {north:.7g}"


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [
        None if value is None or value != value or value == "" else value_text(value)
        for value in (values.tolist() if isinstance(values, np.ndarray) else values)
    ]
