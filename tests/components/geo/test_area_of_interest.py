"""Truth counts inside the area of interest alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.warp import transform_geom

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from components.errors import LabelError, MissingFileError
from components.geo.geotiff import open_raster
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from components.tile_source import TileSource
from tests.make_raster import ORIGIN, write_raster

TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))
SIDE = 24


def write_area(path: Path, geometry: dict, crs: str = "EPSG:4326") -> Path:
    """GeoJSON of one geometry that is given in the tile's (col, row)."""
    ground = [[ORIGIN @ corner for corner in ring] for ring in geometry["coordinates"]]
    warped = transform_geom("EPSG:25832", crs, {"type": geometry["type"], "coordinates": ground}, precision=12)
    feature = {"type": "Feature", "geometry": warped, "properties": {}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def make_tile(folder: Path, area: Path) -> tuple[TileSource, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, 2, (SIDE, SIDE), np.uint8)
    label = write_raster(folder / "label.tif", encode_colors(ids, TABLE))
    source = TileSource(tile="a", image=str(label), label=str(label), area_of_interest=str(area), split="train")
    return source, ids


@pytest.mark.parametrize("downsample", [1, 3])
def test_truth_outside_the_polygons_is_void_and_inside_it_is_as_before(tmp_path: Path, downsample: int) -> None:
    corners = [(4.1, 6.1), (18.1, 6.1), (18.1, 21.1), (4.1, 21.1), (4.1, 6.1)]  # columns 4 to 17, rows 6 to 20
    source, ids = make_tile(
        tmp_path, write_area(tmp_path / "area.geojson", {"type": "Polygon", "coordinates": [corners]})
    )
    expected = np.full_like(ids, VOID_ID)
    expected[6:21, 4:18] = ids[6:21, 4:18]
    with open_raster(source.image) as image, LabelDecoder(TABLE).open(source, image.grid) as label:
        found = label.read(Window(0, 0, SIDE, SIDE), downsample)
    centre = downsample // 2
    np.testing.assert_array_equal(found, expected[centre::downsample, centre::downsample])


def test_a_file_that_is_not_there_or_holds_no_polygon_is_refused(tmp_path: Path) -> None:
    line = write_area(tmp_path / "line.geojson", {"type": "MultiLineString", "coordinates": [[(1, 1), (9, 9)]]})
    for area, error, message in (
        (tmp_path / "none.geojson", MissingFileError, r"does not exist(.|\n)*data\.area_of_interest"),
        (line, LabelError, "holds no polygon"),
    ):
        source, _ = make_tile(tmp_path, area)
        with (
            open_raster(source.image) as image,
            pytest.raises(error, match=message),
            LabelDecoder(TABLE).open(source, image.grid),
        ):
            pass
