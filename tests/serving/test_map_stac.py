"""The STAC item, read back with pystac."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import rasterio.warp
import shapely.geometry
from affine import Affine
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.projection import ProjectionExtension

from components.errors import ConfigError, MissingFileError, RasterError
from serving.map_areas import write_areas
from serving.map_polygons import write_polygons
from serving.map_stac import write_stac_item
from tests.make_raster import write_raster
from tests.serving.make_class_map import TABLE, patches, write_class_map

PROVENANCE = {
    "EOSEG_MODEL": "landcover",
    "EOSEG_VERSION": "7",
    "EOSEG_TILE": "tile 8.tif",
    "EOSEG_DATE": "2024-08-02T10:00:00Z",
    "EOSEG_PREDICTION": "00112233445566aa",
    "config_hash": "abc",
    "CLASS_0": "water",
    "TIFFTAG_SOFTWARE": "EOSeg",
}


def write_and_read(tmp_path: Path, map_path: Path, **options: Any) -> pystac.Item:
    write_stac_item(map_path, options.pop("assets", {}), PROVENANCE, tmp_path / "item.json", **options)
    return pystac.Item.from_file(str(tmp_path / "item.json"))


def test_the_item_lies_where_the_map_lies(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "my map.tif", patches())
    item = write_and_read(tmp_path, path)
    with rasterio.open(path) as dataset:
        bounds = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
        projection = ProjectionExtension.ext(item)
        assert projection.code == "EPSG:25832"
        assert projection.shape == list(dataset.shape)
        assert projection.transform == list(dataset.transform)[:6]
        assert projection.bbox == list(dataset.bounds)
    np.testing.assert_allclose(item.bbox, bounds, atol=2e-7)
    shape = shapely.geometry.shape(item.geometry)
    assert shape.is_valid
    assert shape.exterior.is_ccw
    np.testing.assert_allclose(shape.bounds, item.bbox)
    assert item.id == "my map"


def test_assets_are_named_relative_to_the_item(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "maps" / "map.tif", patches())
    polygons, areas = tmp_path / "maps" / "map.gpkg", tmp_path / "tables" / "areas.csv"
    write_polygons(path, polygons, TABLE)
    write_areas(path, areas, TABLE)
    out = tmp_path / "maps" / "map.json"
    write_stac_item(path, {"map": path, "polygons": polygons, "areas": areas}, PROVENANCE, out)
    item = pystac.Item.from_file(str(out))
    found = {name: (asset.href, asset.media_type, asset.roles) for name, asset in item.assets.items()}
    assert found == {
        "map": ("./map.tif", "image/tiff; application=geotiff", ["data"]),
        "polygons": ("./map.gpkg", "application/geopackage+sqlite3", ["data"]),
        "areas": ("../tables/areas.csv", "text/csv", ["metadata"]),
    }
    for asset in item.assets.values():
        assert Path(asset.get_absolute_href()).stat().st_size == asset.extra_fields["file:size"]


def test_classes_have_the_maps_names_and_colours(tmp_path: Path) -> None:
    item = write_and_read(tmp_path, write_class_map(tmp_path / "map.tif", patches()))
    asset = item.assets["map"]
    classes = ClassificationExtension.ext(asset).classes
    assert [(c.value, c.name, c.title, c.color_hint, c.nodata) for c in classes] == [
        (0, "water", "water", "0000FF", None),
        (1, "low_vegetation_wet", "low vegetation, wet", "008000", None),
        (2, "Geb_ude", "Gebäude", "C81E01", None),
        (255, "nodata", None, None, True),
    ]
    assert asset.extra_fields["bands"] == [{"name": "land cover", "data_type": "uint8", "nodata": 255}]


def test_what_the_map_was_made_of_is_in_the_properties(tmp_path: Path) -> None:
    item = write_and_read(tmp_path, write_class_map(tmp_path / "map.tif", patches()))
    ours = {name: value for name, value in item.properties.items() if name.startswith("eoseg:")}
    assert ours == {
        "eoseg:model": "landcover",
        "eoseg:version": "7",
        "eoseg:tile": "tile 8.tif",
        "eoseg:prediction": "00112233445566aa",
        "eoseg:config_hash": "abc",
    }
    assert item.properties["processing:datetime"] == "2024-08-02T10:00:00Z"
    assert item.properties["processing:software"].keys() == {"EOSeg"}


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("", datetime(2024, 8, 2, 10, tzinfo=timezone.utc)),
        ("2023-05-06", datetime(2023, 5, 6, tzinfo=timezone.utc)),
        ("2023-05-06T12:00:00+02:00", datetime(2023, 5, 6, 10, tzinfo=timezone.utc)),
    ],
)
def test_the_date_is_the_tiles_else_the_predictions(tmp_path: Path, date: str, expected: datetime) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    assert write_and_read(tmp_path, path, date=date).datetime == expected


def test_without_place_or_date_there_is_still_an_item(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.zeros((4, 6), np.uint8), crs=None, nodata=255)
    with pytest.raises(RasterError, match="CLASS_NAMES"):
        write_stac_item(path, {}, {}, tmp_path / "item.json")
    path = write_class_map(tmp_path / "map.tif", patches(), crs=None)
    write_stac_item(path, {}, {}, tmp_path / "item.json")
    item = pystac.Item.from_file(str(tmp_path / "item.json"))
    assert (item.geometry, item.bbox, item.properties["proj:code"]) == (None, None, None)
    assert item.datetime is not None
    assert abs((datetime.now(timezone.utc) - item.datetime).total_seconds()) < 60


def test_across_the_antimeridian_the_footprint_is_cut(tmp_path: Path) -> None:
    zone_60 = Affine(1000, 0, 790_000, 0, -1000, 100_000)  # 180 degrees east lie at about x = 834 km
    path = write_class_map(tmp_path / "map.tif", np.zeros((9, 90), np.uint8), crs="EPSG:32660", transform=zone_60)
    item = write_and_read(tmp_path, path)
    assert item.bbox is not None
    west, _, east, _ = item.bbox
    assert 179 < west < 180
    assert -180 < east < -179
    shape = shapely.geometry.shape(item.geometry)
    assert (shape.geom_type, shape.is_valid, len(shape.geoms)) == ("MultiPolygon", True, 2)
    assert all(part.bounds[2] - part.bounds[0] < 1 for part in shape.geoms)


def test_a_system_without_code_is_written_out(tmp_path: Path) -> None:
    crs = "+proj=laea +lat_0=1 +lon_0=2 +ellps=bessel +units=m"
    path = write_class_map(tmp_path / "map.tif", patches(), crs=crs, transform=Affine(1, 0, 0, 0, -1, 0))
    item = write_and_read(tmp_path, path)
    assert item.properties["proj:code"] is None
    assert item.properties["proj:wkt2"].startswith("PROJCRS[")


def test_what_cannot_be_named_is_refused_and_leaves_no_item(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    with pytest.raises(MissingFileError, match="polygons"):
        write_stac_item(path, {"polygons": tmp_path / "none.gpkg"}, {}, tmp_path / "item.json")
    with pytest.raises(ConfigError, match="no date"):
        write_stac_item(path, {}, {}, tmp_path / "item.json", date="last summer")
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif"}


def test_the_file_is_plain_json_without_a_link_to_itself(tmp_path: Path) -> None:
    write_and_read(tmp_path, write_class_map(tmp_path / "map.tif", patches()))
    document = json.loads((tmp_path / "item.json").read_text(encoding="utf-8"))
    assert (document["type"], document["stac_version"][:2], document["links"]) == ("Feature", "1.", [])
