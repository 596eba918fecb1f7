"""Polygons of finished maps, read back as a user's program reads them."""

import json
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import rasterio.warp
import scipy.ndimage
import shapely
from affine import Affine
from numpy.typing import NDArray
from pydantic import ValidationError
from rasterio.features import rasterize

from components.classes import VOID_ID
from components.errors import ConfigError, MissingFileError, RasterError
from components.geo.pixel_area import pixel_areas
from components.geo.raster import Georeference
from components.geo.window import Window
from serving import polygon_files
from serving.map_areas import write_areas
from serving.map_polygons import PolygonOptions, write_polygons
from tests.make_raster import ORIGIN
from tests.serving.make_class_map import TABLE, patches, write_class_map


def read(path: Path) -> tuple[dict[str, Any], NDArray[np.object_], dict[str, NDArray[Any]]]:
    """Metadata, geometries, fields."""
    meta, _, geometries, fields = pyogrio.raw.read(path, layer="land_cover")
    return meta, shapely.from_wkb(geometries), dict(zip(meta["fields"].tolist(), fields, strict=True))


def region_count(class_ids: NDArray[np.uint8]) -> int:
    return sum(scipy.ndimage.label(class_ids == class_id)[1] for class_id in range(3))


@pytest.fixture
def many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygon_files, "_REGIONS_AT_ONCE", 3)


@pytest.mark.usefixtures("many_batches")
@pytest.mark.parametrize(
    "transform",
    [ORIGIN, Affine(0.5, 0, 500_000, 0, 0.5, 5_500_000), Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_500_000)],
    ids=["north up", "south up", "rotated"],
)
def test_a_geopackage_drawn_again_is_the_map(tmp_path: Path, transform: Affine) -> None:
    class_ids = patches()
    path = write_class_map(tmp_path / "map.tif", class_ids, transform=transform)
    count = write_polygons(path, tmp_path / "new" / "map.gpkg", TABLE)
    meta, polygons, fields = read(tmp_path / "new" / "map.gpkg")
    assert (count, len(polygons), meta["crs"]) == (region_count(class_ids), count, "EPSG:25832")
    drawn = rasterize(
        zip(polygons, fields["class_id"].tolist(), strict=True), class_ids.shape, VOID_ID, transform=transform
    )
    np.testing.assert_array_equal(drawn, class_ids)
    assert shapely.is_valid(polygons).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(polygons)).all()
    np.testing.assert_allclose(fields["area_m2"], shapely.area(polygons), rtol=1e-6)
    assert (fields["pixels"] * 0.25 == fields["area_m2"]).all()
    assert set(zip(fields["class"], fields["color"], strict=True)) == {
        ("water", "#0000ff"),
        ("low vegetation, wet", "#008000"),
        ("Gebäude", "#c81e01"),
    }


def test_areas_of_polygons_and_of_the_table_agree(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches(), crs="EPSG:4326", transform=Affine(1e-3, 0, 9, 0, -1e-3, 48))
    write_polygons(path, tmp_path / "map.gpkg", TABLE)
    _, _, fields = read(tmp_path / "map.gpkg")
    for row in write_areas(path, tmp_path / "areas.csv", TABLE).classes:
        assert fields["area_m2"][fields["class_id"] == row.class_id].sum() == pytest.approx(row.square_metres)


@pytest.mark.usefixtures("many_batches")
def test_geojson_is_wgs_84_as_its_standard_asks(tmp_path: Path) -> None:
    class_ids = patches()
    path = write_class_map(tmp_path / "map.tif", class_ids)
    count = write_polygons(path, tmp_path / "map.geojson", TABLE)
    document = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"))
    assert (document["type"], len(document["features"])) == ("FeatureCollection", count)
    assert "crs" not in document
    assert document["features"][0]["properties"].keys() == {"class_id", "class", "pixels", "area_m2", "fill"}
    meta, polygons, fields = read(tmp_path / "map.geojson")
    assert meta["crs"] == "EPSG:4326"
    assert shapely.is_ccw(shapely.get_exterior_ring(polygons)).all()
    assert shapely.coverage_is_valid(polygons)  # borders are shared after rounding, too

    def back(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(rasterio.warp.transform("EPSG:4326", "EPSG:25832", *xy.T.tolist()))

    on_grid = shapely.transform(polygons, back)
    drawn = rasterize(
        zip(on_grid, fields["class_id"].tolist(), strict=True), class_ids.shape, VOID_ID, transform=ORIGIN
    )
    np.testing.assert_array_equal(drawn, class_ids)


def test_simplified_and_merged_polygons_still_cover_the_map(tmp_path: Path) -> None:
    class_ids = patches(200, 150)
    path = write_class_map(tmp_path / "map.tif", class_ids)
    exact = write_polygons(path, tmp_path / "exact.gpkg", TABLE)
    options = PolygonOptions(min_area=5, simplify=1.0)  # 20 pixels of a quarter of a square metre
    merged = write_polygons(path, tmp_path / "merged.gpkg", TABLE, options)
    _, polygons, fields = read(tmp_path / "merged.gpkg")
    assert merged < exact
    assert fields["area_m2"].min() >= 5
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(np.count_nonzero(class_ids != VOID_ID) * 0.25)
    assert fields["area_m2"].sum() == pytest.approx(np.count_nonzero(class_ids != VOID_ID) * 0.25)


@pytest.mark.parametrize(
    "options", [PolygonOptions(min_area=5, small="drop"), PolygonOptions(min_pixels=20, small="drop")]
)
def test_small_regions_that_are_dropped_leave_holes(tmp_path: Path, options: PolygonOptions) -> None:
    class_ids = patches()
    path = write_class_map(tmp_path / "map.tif", class_ids)
    write_polygons(path, tmp_path / "all.gpkg", TABLE)
    write_polygons(path, tmp_path / "large.gpkg", TABLE, options)
    (_, every, all_fields), (_, large, fields) = read(tmp_path / "all.gpkg"), read(tmp_path / "large.gpkg")
    keep = all_fields["pixels"] >= 20
    assert keep.sum() < len(keep)
    assert shapely.equals_exact(large, every[keep]).all()
    assert (fields["pixels"] == all_fields["pixels"][keep]).all()


def test_least_areas_are_measured_on_the_ellipsoid(tmp_path: Path) -> None:
    class_ids = np.zeros((60, 9), np.uint8)
    class_ids[2:4, 4] = class_ids[56:58, 4] = 1  # two pixels in the north, two in the south
    transform = Affine(1, 0, 0, 0, -1, 60)
    path = write_class_map(tmp_path / "map.tif", class_ids, crs="EPSG:4326", transform=transform)
    areas = pixel_areas(Georeference(transform, "EPSG:4326"), Window(0, 0, 60, 9))
    assert areas is not None
    north, south = float(areas[2:4].sum()), float(areas[56:58].sum())
    write_polygons(path, tmp_path / "map.gpkg", TABLE, PolygonOptions(min_area=(north + south) / 2))
    _, polygons, fields = read(tmp_path / "map.gpkg")
    (left,) = polygons[fields["class_id"] == 1]
    assert left.bounds == (4, 2, 5, 4)


def test_a_map_without_place_has_pixel_coordinates(tmp_path: Path) -> None:
    class_ids = np.zeros((4, 6), np.uint8)
    class_ids[1:3, 2:5] = 1
    path = write_class_map(tmp_path / "map.tif", class_ids, crs=None)
    write_polygons(path, tmp_path / "map.gpkg", TABLE, PolygonOptions(min_pixels=2, simplify_pixels=1))
    meta, polygons, fields = read(tmp_path / "map.gpkg")
    assert np.isnan(fields["area_m2"]).all()
    assert not meta["crs"] or "ndefined" in meta["crs"]
    assert polygons[fields["class_id"] == 1][0].bounds == (2, 1, 5, 3)
    for options, instead in ((PolygonOptions(min_area=1), "min_pixels"), (PolygonOptions(simplify=1), "simplify_pix")):
        with pytest.raises(ConfigError, match=instead):
            write_polygons(path, tmp_path / "other.gpkg", TABLE, options)
    with pytest.raises(RasterError, match=r"GeoPackage \(.gpkg\)"):
        write_polygons(path, tmp_path / "map.geojson", TABLE)
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif", "map.gpkg"}


def test_qgis_finds_the_classes_colours_in_the_geopackage(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    write_polygons(path, tmp_path / "map.gpkg", TABLE)
    with closing(sqlite3.connect(tmp_path / "map.gpkg")) as database:
        ((layer, geometry, is_default, style),) = database.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        ).fetchall()
        columns = database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (layer, geometry, is_default) == (*columns[0], 1)
    with rasterio.open(path) as dataset:
        palette = dataset.colormap(1)
    for class_id, name in enumerate(TABLE.names):
        assert f'value="{class_id}" symbol="{class_id}" label="{name}"' in style
        assert 'name="color" value="{},{},{},{}"'.format(*palette[class_id]) in style
    assert set(pyogrio.list_layers(tmp_path / "map.gpkg")[:, 0]) == {"land_cover", "layer_styles"}


@pytest.mark.parametrize("ending", ["gpkg", "geojson"])
def test_a_map_of_nodata_gives_a_layer_without_polygons(tmp_path: Path, ending: str) -> None:
    path = write_class_map(tmp_path / "map.tif", np.full((5, 5), VOID_ID, np.uint8))
    assert write_polygons(path, tmp_path / f"map.{ending}", TABLE, PolygonOptions(min_pixels=2)) == 0
    assert pyogrio.read_info(tmp_path / f"map.{ending}", layer="land_cover")["features"] == 0


@pytest.mark.parametrize("name", ["map.shp", "map", "map.gpkg.zip"])
def test_other_endings_are_refused_with_those_that_are_known(tmp_path: Path, name: str) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    with pytest.raises(ConfigError, match=r"\.gpkg or \.geojson"):
        write_polygons(path, tmp_path / name, TABLE)


def test_a_failure_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", np.where(np.arange(4) < 2, 0, 3)[None].repeat(4, 0).astype(np.uint8))
    for name in ("map.gpkg", "map.geojson"):
        (tmp_path / name).write_text("the polygons of yesterday")
        with pytest.raises(RasterError, match="class number 3"):
            write_polygons(path, tmp_path / name, TABLE)
        assert (tmp_path / name).read_text() == "the polygons of yesterday"
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif", "map.gpkg", "map.geojson"}
    with pytest.raises(MissingFileError):
        write_polygons(tmp_path / "none.tif", tmp_path / "folder" / "map.gpkg", TABLE)
    assert not (tmp_path / "folder").exists()


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    counts = [write_polygons(path, tmp_path / "map.gpkg", TABLE) for _ in range(2)]
    assert len(read(tmp_path / "map.gpkg")[1]) == counts[0] == counts[1]


def test_geojson_across_the_antimeridian_is_refused(tmp_path: Path) -> None:
    zone_60 = Affine(1000, 0, 790_000, 0, -1000, 100_000)  # 180 degrees east lie at about x = 834 km
    path = write_class_map(tmp_path / "map.tif", np.zeros((9, 90), np.uint8), crs="EPSG:32660", transform=zone_60)
    with pytest.raises(RasterError, match="longitudes"):
        write_polygons(path, tmp_path / "map.geojson", TABLE)
    assert write_polygons(path, tmp_path / "map.gpkg", TABLE) == 1


@pytest.mark.parametrize(
    "wrong", [{"min_area": -1}, {"min_area": 1, "min_pixels": 1}, {"small": "keep"}, {"unknown": 1}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PolygonOptions(**wrong)


def test_nothing_warns(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches(), crs=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_polygons(path, tmp_path / "map.gpkg", TABLE)
