"""Vector labels that cannot be used: one clear error each."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from components.errors import ConfigError, LabelError, MissingFileError
from components.geo.label_options import VectorLabels
from components.geo.labels import LabelDecoder
from components.geo.raster import Georeference, Grid
from components.geo.vector_shapes import warped
from tests.components.geo.vector_scenes import (
    LAWN,
    PLAIN,
    ROOF,
    SQUARE,
    TABLE,
    WGS84,
    box_ids,
    ids_of,
    write_dstl,
    write_vectors,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attribute": "kind"}, r"no attribute 'kind' \(labels\.attribute\)(.|\n)*one of class, tile"),
        ({"tile_column": "id"}, r"no attribute 'id' \(labels\.tile_column\)(.|\n)*one of class, tile"),
        ({"layer": "nope"}, r"cannot be read(.|\n)*labels\.layer"),
        ({"crs": "EPSG:1"}, r"labels\.crs gives the coordinate system 'EPSG:1'"),
        ({"crs": "EPSG:4326"}, r"lie beyond the tile: x 500005 to 500015(.|\n)*x and y exchanged"),
    ],
)
def test_files_that_do_not_fit_the_options_are_refused_with_what_there_is(
    tmp_path: Path, options: dict, message: str
) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, "roof")], columns={"tile": ["a"]})
    with pytest.raises(LabelError, match=message):
        ids_of(path, **options)


def test_a_tile_without_objects_is_background_where_others_lie_around_it_or_nowhere(tmp_path: Path) -> None:
    around = shapely.box(-500, -500, -400, -400), shapely.box(400, 400, 500, 500)
    path = write_vectors(tmp_path / "a.gpkg", [(around[0], "roof"), (around[1], "roof")])
    assert (ids_of(path, background="lawn") == LAWN).all()
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert (ids_of(tmp_path / "empty.geojson", background="lawn") == LAWN).all()


def test_geometries_beyond_a_projections_reach_are_refused() -> None:
    points = np.array([shapely.Point(9, 50), shapely.Point(9, 95)], object)
    wgs84, utm = CRS.from_epsg(4326), CRS.from_epsg(25832)
    with pytest.raises(LabelError, match=r"a\.gpkg cannot be warped from EPSG:4326 to the image's EPSG:25832"):
        warped(points, wgs84, utm, None, "a.gpkg")


def test_a_csv_without_the_wkt_column_is_refused_with_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('class,shape\nroof,"POINT (1 1)"')
    with pytest.raises(LabelError, match=r"no attribute 'WKT' \(labels\.wkt_column\)(.|\n)*one of class, shape"):
        ids_of(tmp_path / "a.csv", PLAIN, coordinates="pixel")


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="a vector file"):
        ids_of(tmp_path / "none.gpkg")
    (tmp_path / "a.geojson").write_text("{")
    with pytest.raises(LabelError, match=r"a\.geojson cannot be read"):
        ids_of(tmp_path / "a.geojson")


def test_ground_coordinates_need_an_image_with_a_coordinate_system(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, "roof")])
    with pytest.raises(LabelError, match=r"the image has no coordinate system(.|\n)*coordinates: pixel"):
        ids_of(path, PLAIN)


def test_vectors_without_a_coordinate_system_need_one_in_the_options(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="crs"):
        path = write_vectors(tmp_path / "a.shp", [(SQUARE, "roof")], None)
    with pytest.raises(LabelError, match=r"does not say its coordinate system(.|\n)*labels\.crs"):
        ids_of(path)
    np.testing.assert_array_equal(ids_of(path, crs="EPSG:25832"), box_ids((10, 5, 30, 25, ROOF)))


@pytest.mark.parametrize(
    ("grid", "found"),
    [(PLAIN, "is none"), (Grid(40, 60, Georeference(Affine(0.1, 0, 0, 0, -0.1, 4), WGS84)), "in degrees")],
)
def test_widths_in_metres_are_refused_where_pixels_have_no_size_in_metres(
    tmp_path: Path, grid: Grid, found: str
) -> None:
    (tmp_path / "a.csv").write_text('class,WKT\nroad,"LINESTRING (1 1, 3 3)"')
    how = {"coordinates": "pixel"} if grid is PLAIN else {"crs": "EPSG:4326"}
    with pytest.raises(LabelError, match=rf"{found}(.|\n)*projected"):
        ids_of(tmp_path / "a.csv", grid, line_width_m={"road": 4}, **how)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("a,b\n1,2\n", "cannot be read as sizes"),
        (",Xmax,Ymin\n1,2,-2\n", "no row for tile '6120_2_2'"),
        (",Xmax,Ymin\n6120_2_2,0,-2\n", "x_max 0"),
        (",Xmax,Ymin\n6120_2_2,east,-2\n", "cannot be read as sizes"),
    ],
)
def test_grid_sizes_that_cannot_be_used_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    options = write_dstl(tmp_path)
    if text is None:
        Path(options["grid_sizes"]).unlink()
    else:
        Path(options["grid_sizes"]).write_text(text)
    with pytest.raises((LabelError, MissingFileError), match=message):
        ids_of(tmp_path / "train_wkt_v4.csv", PLAIN, "6120_2_2", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": {1: "rooof"}}, r"labels\.values\.1 names 'rooof'"),
        ({"background": "sea"}, r"labels\.background names 'sea'"),
        ({"burn_order": ["sea"]}, r"labels\.burn_order names 'sea'"),
        ({"line_width_m": {"sea": 1}}, r"labels\.line_width_m names 'sea'"),
    ],
)
def test_names_of_no_class_are_refused_before_a_file_is_opened(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelDecoder(TABLE, VectorLabels(**{"kind": "vectors", "attribute": "class", **options}))


@pytest.mark.parametrize(
    "options", [{"coordinates": "unit"}, {"grid_sizes": "a.csv"}, {"coordinates": "pixel", "crs": "EPSG:4326"}]
)
def test_options_that_contradict_each_other_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="`coordinates: "):
        VectorLabels(**{"kind": "vectors", "attribute": "class", **options})
