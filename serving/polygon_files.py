"""Writes regions into vector files, some thousands at a time."""

import json
import math
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from components.classes import ClassTable
from components.errors import RasterError
from components.geo.footprint import warp_points
from components.geo.raster import Georeference
from components.geo.vectorize import Region
from serving.polygon_style import add_style, hex_color

LAYER = "land_cover"
"""Name of the layer."""

_POINTS_AT_ONCE = 500_000
_REGIONS_AT_ONCE = 20_000


WritesPolygons = Callable[[Path, Iterable[Region], Georeference, ClassTable], int]
"""Writes all regions of a map to a file; returns how many."""


def write_geopackage(path: Path, regions: Iterable[Region], place: Georeference, table: ClassTable) -> int:
    """In the map's coordinate system, or (col, row) without one; with the classes' colours as QGIS reads them.

    Raises:
        RasterError: If GDAL cannot write it.
    """
    import pyogrio.raw

    count = 0
    try:
        for batch in _batches(regions):
            polygons = _polygons(batch, place, None)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)  # the map has none either
                pyogrio.raw.write(
                    path,
                    shapely.to_wkb(polygons),
                    _columns(batch, place, table),
                    ["class_id", "class", "pixels", "area_m2", "color"],
                    crs=place.crs or None,
                    layer=LAYER,
                    driver="GPKG",
                    geometry_type="Polygon",
                    append=path.exists(),
                )
            count += len(batch)
        add_style(path, LAYER, table)
    except (RuntimeError, sqlite3.Error) as error:  # pyogrio's errors are RuntimeErrors
        raise RasterError(
            f"the polygons cannot be written: {error}",
            "a folder that can be written to, with room for the polygons",
            "choose another path, make room, or raise the least area",
        ) from error
    return count


def write_geojson(path: Path, regions: Iterable[Region], place: Georeference, table: ClassTable) -> int:
    """In longitudes and latitudes of WGS 84, as RFC 7946 has it, one region a line, with simplestyle's `fill`.

    Raises:
        RasterError: If the map has no coordinate system, or lies where longitudes jump from 180 to -180.
    """
    if not place.crs:
        raise RasterError(
            "the map has no coordinate system",
            "one, because GeoJSON holds longitudes and latitudes (RFC 7946)",
            "write a GeoPackage (.gpkg): it takes (col, row)",
        )
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type": "FeatureCollection", "name": "{LAYER}", "features": [')
        for batch in _batches(regions):
            geometries = shapely.to_geojson(_polygons(batch, place, CRS.from_epsg(4326)))
            columns = [column.tolist() for column in _columns(batch, place, table)]
            for geometry, class_id, name, pixels, area, color in zip(geometries, *columns, strict=True):
                properties = {
                    "class_id": class_id,
                    "class": name,
                    "pixels": pixels,
                    "area_m2": round(area, 3),
                    "fill": color,
                }
                text = json.dumps(properties, ensure_ascii=False)
                file.write(
                    f'{"," if count else ""}\n{{"type": "Feature", "properties": {text}, "geometry": {geometry}}}'
                )
                count += 1
        file.write("\n]}\n")
    return count


WRITERS: dict[str, WritesPolygons] = {".gpkg": write_geopackage, ".geojson": write_geojson, ".json": write_geojson}
"""By the file's ending."""


def _batches(regions: Iterable[Region]) -> Iterator[Sequence[Region]]:
    """At least one, which may be empty: a file without polygons has its layer all the same."""
    batch: list[Region] = []
    points, any_yet = 0, False
    for region in regions:
        batch.append(region)
        points += sum(map(len, region.rings))
        if points >= _POINTS_AT_ONCE or len(batch) >= _REGIONS_AT_ONCE:
            yield batch
            batch, points, any_yet = [], 0, True
    if batch or not any_yet:
        yield batch


def _polygons(batch: Sequence[Region], place: Georeference, target: CRS | None) -> NDArray[np.object_]:
    """The regions on the ground, outer rings counter-clockwise, in the map's coordinate system or in `target`."""
    if not batch:
        return np.empty(0, object)
    t = place.transform
    # A transform that mirrors, as every north-up one does, turns the direction of rings around.
    step = -1 if t.determinant < 0 else 1
    rings = [ring[::step] for region in batch for ring in region.rings]
    polygon_of = np.repeat(np.arange(len(batch)), [len(region.rings) for region in batch])
    pixels = np.concatenate(rings).astype(np.float64)
    points = pixels @ np.array([[t.a, t.d], [t.b, t.e]]) + np.array([t.c, t.f])
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    if target is not None:
        points = _warped(points, CRS.from_user_input(place.crs), target, t)
    shapes: NDArray[np.object_] = shapely.polygons(shapely.linearrings(points, indices=ring_of), indices=polygon_of)
    return shapes


def _warped(points: NDArray[np.float64], source: CRS, target: CRS, transform: Any) -> NDArray[np.float64]:
    warped = warp_points(points, source, target)
    if warped is None or np.ptp(warped[:, 0]) > 180:
        raise RasterError(
            "the map lies where longitudes are not defined, or jump from 180 to -180",
            "longitudes and latitudes for GeoJSON",
            "write a GeoPackage (.gpkg): it keeps the map's coordinate system",
        )
    metres = 1.0 if source.is_projected else 111_320.0
    pixel = math.sqrt(abs(transform.determinant)) * metres
    # A hundredth of a pixel, and at least 7 digits, which are a centimetre.
    digits = max(7, math.ceil(math.log10(111_320 * 100 / pixel)))
    return np.round(warped, digits)


def _columns(batch: Sequence[Region], place: Georeference, table: ClassTable) -> list[NDArray[Any]]:
    """class_id, class, pixels, area_m2 (missing without a coordinate system), colour."""
    ids = np.array([region.class_id for region in batch], np.int32)
    names, colors = np.array(table.names, object), np.array([hex_color(color) for color in table.colors], object)
    areas = np.array([region.area for region in batch], np.float64)
    return [
        ids,
        names[ids],
        np.array([region.pixels for region in batch], np.int64),
        areas if place.crs else np.full(len(batch), np.nan),
        colors[ids],
    ]
