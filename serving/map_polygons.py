"""The regions of a map as polygons, in a file that appears only when it is complete."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from components.classes import ClassTable
from components.errors import ConfigError, RasterError
from components.geo.pixel_area import pixel_areas
from components.geo.sieve import Sieve
from components.geo.vectorize import ReadRows, Region, RowAreas, polygonize
from components.geo.window import Window
from components.options import Options
from serving.finished_map import FinishedMap, open_finished_map, whole_or_nothing
from serving.polygon_files import WRITERS


class PolygonOptions(Options):
    """What polygons are made of a map. Where a number is 0, that step is left out."""

    min_area: float = Field(default=0.0, ge=0)
    """Square metres that a region must have."""
    min_pixels: int = Field(default=0, ge=0)
    """The same in pixels."""
    small: Literal["merge", "drop"] = "merge"
    """What becomes of smaller regions: `merge` gives them to their largest neighbours (`components.geo.sieve`), so that
    polygons still cover all of the map; `drop` leaves holes."""
    simplify: float = Field(default=0.0, ge=0)
    """Metres that borders may move by, roughly. Neighbours keep their common border; see `docs/map-products.md`."""
    simplify_pixels: float = Field(default=0.0, ge=0)
    """The same in pixels."""

    @model_validator(mode="after")
    def _one_unit(self) -> "PolygonOptions":
        for ground, pixels in (("min_area", "min_pixels"), ("simplify", "simplify_pixels")):
            if getattr(self, ground) and getattr(self, pixels):
                raise ValueError(f"{ground} and {pixels} are both given; give one of them")
        return self


def check_polygons_path(path: Path) -> None:
    """Whether polygons can be written to a file of this name; to be asked before a map is computed.

    Raises:
        ConfigError: If its ending is not known.
    """
    if path.suffix.lower() not in WRITERS:
        raise ConfigError(
            f"polygons cannot be written to {path}: the ending '{path.suffix}' is not known",
            " or ".join(WRITERS),
            "name a GeoPackage (.gpkg) or a GeoJSON file (.geojson)",
        )


def write_polygons(map_path: Path, out: Path, table: ClassTable, options: PolygonOptions | None = None) -> int:
    """Writes one polygon a region of the map: pixels of one class that are joined by their edges.

    Fields are `class_id`, `class`, `pixels`, `area_m2` and the colour. `pixels` and `area_m2` count the region's
    pixels, those of small regions that it took in among them, before borders are simplified: they add up to the map.
    Nodata is in no polygon.

    Args:
        map_path: The finished map.
        out: A GeoPackage (`.gpkg`, in the map's coordinate system) or GeoJSON (`.geojson`, `.json`; WGS 84).
        table: The map's classes.
        options: Least area, simplification.

    Returns:
        How many polygons there are.

    Raises:
        ConfigError: If the ending is not known, or metres are asked for on a map without a coordinate system.
        MissingFileError, RasterError: If the map cannot be read, or the file not be written.
    """
    options = options or PolygonOptions()
    check_polygons_path(out)
    write = WRITERS[out.suffix.lower()]
    with open_finished_map(map_path, table) as finished, whole_or_nothing(out, "polygons") as part:
        try:
            return write(part, _regions(finished, options), finished.grid.georeference, table)
        except RasterError as error:
            raise RasterError(f"{out}: {error.problem}", error.expected, error.remedy) from error


def _regions(finished: FinishedMap, options: PolygonOptions) -> Iterator[Region]:
    grid = finished.grid
    shape = (grid.height, grid.width)
    areas = pixel_areas(grid.georeference, Window(0, 0, grid.height, 1))
    if areas is None and (options.min_area or options.simplify):
        asked = "min_area" if options.min_area else "simplify"
        raise ConfigError(
            f"{finished.path} has no coordinate system, so that {asked} in metres cannot be measured",
            "pixels",
            f"give {'min_pixels' if options.min_area else 'simplify_pixels'} instead",
        )
    row_areas: RowAreas | None = None
    least, by_area = float(options.min_pixels), False
    if areas is not None:

        def row_areas(start: int, stop: int) -> NDArray[np.float64]:
            return _row_areas(finished, start, stop)

        if options.min_area and areas.size == 1:
            # All pixels have the same area: whole numbers have no rounding. Half a billionth for that of the division.
            least = math.ceil(options.min_area / float(areas[0, 0]) * (1 - 5e-10))
        elif options.min_area:
            least, by_area = options.min_area, True
    read: ReadRows = finished.read
    if least and options.small == "merge":
        read = Sieve(read, shape, least, row_areas if by_area else None).read
    tolerance = options.simplify_pixels
    if options.simplify and areas is not None:
        tolerance = options.simplify / math.sqrt(float(areas.mean()))
    for region in polygonize(read, shape, row_areas, tolerance):
        if options.small == "merge" or (region.area if by_area else region.pixels) >= least:
            yield region


def _row_areas(finished: FinishedMap, start: int, stop: int) -> NDArray[np.float64]:
    """Square metres of a pixel in each row; on rotated grids of longitudes and latitudes, the row's mean."""
    areas = pixel_areas(finished.grid.georeference, Window(start, 0, stop - start, finished.grid.width))
    if areas is None:  # asked for only where they are known
        return np.zeros(stop - start)
    return np.broadcast_to(areas.mean(axis=1), (stop - start,))
