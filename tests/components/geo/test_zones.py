"""Zones: which pixel lies in which polygon."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from components.errors import LabelError, MissingFileError
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.geo.zones import ZoneOptions, ZoneReader

WEST, NORTH = 500_000.0, 5_400_000.0
GRID = Grid(40, 30, Georeference(Affine(2.0, 0, WEST, 0, -2.0, NORTH), CRS.from_epsg(32632).to_wkt()))


def square(col: float, row: float, width: float, height: float) -> dict[str, Any]:
    """A rectangle given in pixels of the grid, as a polygon on the ground."""
    xs = [WEST + 2 * x for x in (col, col + width)]
    ys = [NORTH - 2 * y for y in (row, row + height)]
    ring = [[xs[0], ys[0]], [xs[1], ys[0]], [xs[1], ys[1]], [xs[0], ys[1]], [xs[0], ys[0]]]
    return {"type": "Polygon", "coordinates": [ring]}


def write_zones(path: Path, zones: list[tuple[str, dict[str, Any]]]) -> ZoneOptions:
    features = [{"type": "Feature", "properties": {"parcel": name}, "geometry": where} for name, where in zones]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return ZoneOptions(file=str(path), attribute="parcel")


def test_each_pixel_is_in_the_zone_that_holds_its_centre(tmp_path: Path) -> None:
    options = write_zones(
        tmp_path / "z.geojson",
        [("12/4", square(3, 5, 10, 7)), ("north", square(20, 0, 5, 5)), ("12/4", square(30, 20, 4, 4))],
    )
    reader = ZoneReader(options, GRID)
    expected = np.zeros((GRID.height, GRID.width), np.int64)
    expected[5:12, 3:13] = reader.names.index("12/4") + 1
    expected[20:24, 30:34] = reader.names.index("12/4") + 1
    expected[0:5, 20:25] = reader.names.index("north") + 1
    np.testing.assert_array_equal(reader.read(Window(0, 0, GRID.height, GRID.width)), expected)
    np.testing.assert_array_equal(reader.read(Window(4, 2, 9, 20)), expected[4:13, 2:22])


def test_a_tile_that_no_zone_touches_is_no_mistake(tmp_path: Path) -> None:
    reader = ZoneReader(write_zones(tmp_path / "z.geojson", [("far", square(5000, 5000, 10, 10))]), GRID)
    assert not reader.read(Window(0, 0, GRID.height, GRID.width)).any()


def test_a_missing_file_or_attribute_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.gpkg"):
        ZoneReader(ZoneOptions(file=str(tmp_path / "nowhere.gpkg"), attribute="parcel"), GRID)
    options = write_zones(tmp_path / "z.geojson", [("a", square(0, 0, 5, 5))])
    with pytest.raises(LabelError, match="no attribute 'owner'"):
        ZoneReader(options.model_copy(update={"attribute": "owner"}), GRID)
