"""Polygons, lines and points as labels: from the file to class ids."""

import json
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import rasterio.warp
import shapely
from affine import Affine
from rasterio.crs import CRS

from components.classes import UNKNOWN_ID, VOID_ID
from components.errors import LabelError
from components.geo.label_options import VectorLabels
from components.geo.labels import LabelDecoder
from components.geo.raster import Georeference, Grid
from components.geo.vector_file import VectorFile
from components.geo.window import Window
from components.tile_source import TileSource
from tests.components.geo.vector_scenes import (
    GRID,
    LAWN,
    OTHER,
    PLAIN,
    ROAD,
    ROOF,
    SQUARE,
    TABLE,
    UTM,
    WHOLE,
    Feature,
    box_ids,
    ids_of,
    on_ground,
    opened,
    write_dstl,
    write_vectors,
)
from tests.make_raster import ORIGIN


@pytest.mark.parametrize(
    ("name", "crs"),
    [("a.geojson", "EPSG:4326"), ("a.gpkg", "EPSG:25833"), ("a.gpkg", "EPSG:3857"), ("a b.shp", "EPSG:25832")],
)
def test_every_format_and_coordinate_system_gives_the_same_pixels(tmp_path: Path, name: str, crs: str) -> None:
    path = write_vectors(tmp_path / name, [(SQUARE, "roof"), (OTHER, "lawn")], crs)
    expected = box_ids((10, 5, 30, 25, ROOF), (20, 10, 50, 35, LAWN))
    np.testing.assert_array_equal(ids_of(path), expected)


def test_a_geojson_without_a_coordinate_system_is_in_longitude_and_latitude(tmp_path: Path) -> None:
    document = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"class": "roof"},
                "geometry": json.loads(shapely.to_geojson(on_ground(SQUARE, "EPSG:4326"))),
            }
        ],
    }
    (tmp_path / "a.geojson").write_text(json.dumps(document))
    np.testing.assert_array_equal(ids_of(tmp_path / "a.geojson"), box_ids((10, 5, 30, 25, ROOF)))


def test_one_file_serves_all_tiles_and_only_what_lies_near_a_tile_is_loaded(tmp_path: Path) -> None:
    far = shapely.box(10_000, 5, 10_020, 25)
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, "roof"), (far, "pond")])
    second = Grid(40, 60, Georeference(ORIGIN @ Affine.translation(9_995, 0), UTM))
    with opened(path) as label:
        np.testing.assert_array_equal(label.read(WHOLE), box_ids((10, 5, 30, 25, ROOF)))
    with opened(path, second) as label:
        raw = label.read_raw(WHOLE)
        assert {label.describe(int(v)) for v in np.unique(raw)} == {"background", "class 'pond'"}  # no 'roof'
        np.testing.assert_array_equal(label.read(WHOLE), box_ids((5, 5, 25, 25, UNKNOWN_ID)))


def test_a_decoder_forgets_the_shapes_of_the_tile_before(tmp_path: Path) -> None:
    one = write_vectors(tmp_path / "one.gpkg", [(SQUARE, "roof")])
    two = write_vectors(tmp_path / "two.gpkg", [(OTHER, "lawn")])
    decoder = LabelDecoder(TABLE, VectorLabels(kind="vectors", attribute="class"))
    expected = {one: box_ids((10, 5, 30, 25, ROOF)), two: box_ids((20, 10, 50, 35, LAWN))}
    for path in (one, two, two, one):
        with decoder.open(TileSource(tile="a", image="", label=str(path), split="train"), GRID) as label:
            np.testing.assert_array_equal(label.read(WHOLE), expected[path])


def test_edges_that_are_straight_in_degrees_are_bent_before_they_are_burnt(tmp_path: Path) -> None:
    # an edge along a parallel over 200 km. In UTM a parallel rises away from the central meridian by
    # d**2 * tan(latitude) / (2 R): 60e3**2 * 1.18 / (2 * 6.4e6) = 331 m, 13 pixels of 25 m, at 60 km
    grid = Grid(200, 1600, Georeference(Affine(25, 0, 480_000, 0, -25, 5_502_500), UTM))
    xs, ys = rasterio.warp.transform("EPSG:25832", "EPSG:4326", [500_000], [5_500_000])[:2]
    box = shapely.box(xs[0] - 1.4, ys[0] - 0.5, xs[0] + 1.4, ys[0])
    feature = {"type": "Feature", "properties": {"class": "roof"}, "geometry": json.loads(shapely.to_geojson(box))}
    (tmp_path / "a.geojson").write_text(json.dumps(feature))
    found = ids_of(tmp_path / "a.geojson", grid)
    for col, rise in ((800, 0), (400, 9.2), (1599, 36.8)):  # at 0, 10 and 20 km
        edge = 100 - rise / 25  # row 100 is the northing 5 500 000
        assert (found[: int(edge - 1), col] == VOID_ID).all()
        assert (found[int(edge + 1) :, col] == ROOF).all()


def test_values_are_mapped_as_text_and_what_means_no_class_is_unknown_not_background(tmp_path: Path) -> None:
    boxes = [shapely.box(6 * i, 0, 6 * i + 6, 40) for i in range(5)]
    path = write_vectors(tmp_path / "a.gpkg", list(zip(boxes, [1, 2, 3, 7, 1], strict=True)))
    with opened(path, values={1: "roof", "2": "lawn", 3: "void"}, background="road") as label:
        assert label.read(Window(3, 0, 1, 36))[0, ::6].tolist() == [ROOF, LAWN, VOID_ID, UNKNOWN_ID, ROOF, ROAD]
        raw = label.read_raw(Window(3, 0, 1, 36))[0, ::6]
    assert [label.describe(int(v)) for v in raw[[0, 3, 5]]] == ["class '1'", "class '7'", "background"]


def test_a_missing_attribute_value_is_unknown_and_said_to_be_missing(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, None), (shapely.box(40, 0, 50, 5), "lawn"), (None, "roof")])
    with opened(path) as label:
        np.testing.assert_array_equal(label.read(WHOLE), box_ids((10, 5, 30, 25, UNKNOWN_ID), (40, 0, 50, 5, LAWN)))
        assert label.describe(int(label.read_raw(WHOLE)[10, 15])) == "class missing"


@pytest.mark.parametrize(
    ("burn_order", "on_top"),
    [((), LAWN), (("roof",), ROOF), (("lawn", "roof"), ROOF), (("roof", "lawn"), LAWN)],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_burn_order_decides_an_overlap_whatever_the_order_in_the_file(
    tmp_path: Path, burn_order: tuple[str, ...], on_top: int, reverse: bool
) -> None:
    features: list[Feature] = [(SQUARE, "roof"), (OTHER, "lawn")]
    path = write_vectors(tmp_path / "a.gpkg", features[::-1] if reverse else features)
    assert ids_of(path, burn_order=burn_order)[20, 25] == on_top


@pytest.mark.parametrize(("burn_order", "on_top"), [((), VOID_ID), (("void", "roof"), ROOF)])
def test_void_lies_on_top_unless_the_burn_order_says_otherwise(
    tmp_path: Path, burn_order: tuple[str, ...], on_top: int
) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(OTHER, "void"), (SQUARE, "roof")])
    assert ids_of(path, burn_order=burn_order)[20, 25] == on_top


def test_what_means_no_class_can_not_hide_below_another(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(OTHER, "pond"), (SQUARE, "void"), (SQUARE, "roof")])
    assert ids_of(path)[20, 25] == UNKNOWN_ID


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:4326"])
def test_lines_and_points_are_widened_to_metres_on_the_ground(tmp_path: Path, crs: str) -> None:
    line = shapely.LineString([(-5, 20), (65, 20)])
    path = write_vectors(tmp_path / "a.gpkg", [(line, "road"), (shapely.Point(30, 6), "roof"), (line, "lawn")], crs)
    found = ids_of(path, line_width_m={"road": 4, "roof": 3}, burn_order=["lawn", "road", "roof"])
    # 4 m are 8 pixels of 0.5 m, 4 on either side of row 20; the circle of 3 m has a radius of 3 pixels
    assert (found == ROAD).sum() == 8 * 60
    assert (found[16:24] == ROAD).all()
    rows, cols = np.nonzero(found == ROOF)
    assert (np.hypot(cols + 0.5 - 30, rows + 0.5 - 6) < 3.01).all()
    assert len(rows) == sum(np.hypot(x + 0.5, y + 0.5) < 3 for x in range(-4, 4) for y in range(-4, 4))


def test_a_line_beside_the_tile_reaches_into_it_by_half_its_width(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(shapely.LineString([(-5, -10), (65, -10)]), "road")])
    found = ids_of(path, line_width_m={"road": 12})
    np.testing.assert_array_equal(found, box_ids((0, 0, 60, 2, ROAD)))  # 6 m are 12 rows, of which 2 lie in the tile


def test_feet_are_not_taken_for_metres(tmp_path: Path) -> None:
    # EPSG:2263 (New York, US survey feet): 2 m are 6.56 ft
    grid = Grid(40, 40, Georeference(Affine(1, 0, 984_000, 0, -1, 210_000), CRS.from_epsg(2263).to_wkt()))
    line = shapely.LineString([(984_000 - 9, 210_000 - 20), (984_000 + 50, 210_000 - 20)])
    pyogrio.raw.write(
        tmp_path / "a.gpkg", shapely.to_wkb(np.array([line])), [np.array(["road"], object)], ["class"],
        crs="EPSG:2263", geometry_type="LineString",
    )  # fmt: skip
    found = ids_of(tmp_path / "a.gpkg", grid, line_width_m={"road": 2})
    assert (found[:, 20] == ROAD).sum() == 6  # centres 0.5, 1.5, 2.5 ft on either side are nearer than 3.28 ft
    assert (ids_of(tmp_path / "a.gpkg", grid, line_width_m={"road": 3})[:, 20] == ROAD).sum() == 10  # 4.5 < 4.92 ft


def test_without_a_width_lines_are_one_pixel_and_points_one(tmp_path: Path) -> None:
    path = write_vectors(
        tmp_path / "a.gpkg", [(shapely.LineString([(-5, 20.5), (65, 20.5)]), "road"), (shapely.Point(3.2, 7.9), "roof")]
    )
    np.testing.assert_array_equal(ids_of(path), box_ids((0, 20, 60, 21, ROAD), (3, 7, 4, 8, ROOF)))


def test_all_touched_reaches_the_options(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(shapely.box(10.7, 5.7, 20.3, 8.3), "roof")])
    np.testing.assert_array_equal(ids_of(path), box_ids((11, 6, 20, 8, ROOF)))
    np.testing.assert_array_equal(ids_of(path, all_touched=True), box_ids((10, 5, 21, 9, ROOF)))


def test_an_invalid_polygon_is_repaired_and_its_spikes_are_not_burnt(tmp_path: Path) -> None:
    # an hourglass, and a square with a spike of no width
    hourglass = shapely.Polygon([(10, 0), (30, 0), (10, 20), (30, 20)])
    spiked = shapely.Polygon([(40, 30), (45, 30), (45, 32), (59, 32), (45, 32), (45, 35), (40, 35)])
    found = ids_of(write_vectors(tmp_path / "a.gpkg", [(hourglass, "roof"), (spiked, "lawn")]))
    assert (found[2, 13:27] == ROOF).all()
    assert (found[17, 13:27] == ROOF).all()
    assert (found[10, [12, 28]] == VOID_ID).all()
    np.testing.assert_array_equal(found[22:], box_ids((40, 30, 45, 35, LAWN))[22:])


def test_holes_and_parts_and_collections_are_burnt_as_they_are(tmp_path: Path) -> None:
    ring = shapely.difference(SQUARE, shapely.box(15, 10, 25, 20))
    many = shapely.GeometryCollection(
        [shapely.MultiPolygon([ring, shapely.box(40, 0, 45, 5)]), shapely.Point(50.5, 9.5)]
    )
    found = ids_of(write_vectors(tmp_path / "a.gpkg", [(many, "roof")]))
    expected = box_ids(
        (10, 5, 30, 25, ROOF), (15, 10, 25, 20, VOID_ID), (40, 0, 45, 5, ROOF), (50, 9, 51, 10, ROOF)
    )  # fmt: skip
    np.testing.assert_array_equal(found, expected)


def test_pixel_coordinates_need_no_coordinate_system(tmp_path: Path) -> None:
    lines = ["class,WKT", 'roof,"POLYGON ((10 5, 30 5, 30 25, 10 25, 10 5))"', 'lawn,"POLYGON EMPTY"']
    (tmp_path / "a.csv").write_text("\n".join(lines))
    for grid in (PLAIN, GRID):
        found = ids_of(tmp_path / "a.csv", grid, coordinates="pixel")
        np.testing.assert_array_equal(found, box_ids((10, 5, 30, 25, ROOF)))


def test_widths_in_metres_work_for_pixel_coordinates_of_a_georeferenced_image(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('class,WKT\nroad,"LINESTRING (-5 20, 65 20)"')
    found = ids_of(tmp_path / "a.csv", coordinates="pixel", line_width_m={"road": 4})
    np.testing.assert_array_equal(found, box_ids((0, 16, 60, 24, ROAD)))


def test_wkt_in_a_csv_as_dstl_has_it(tmp_path: Path) -> None:
    options = write_dstl(tmp_path)
    for tile, class_id in (("6120_2_2", ROOF), ("6100_1_3", LAWN)):
        found = ids_of(tmp_path / "train_wkt_v4.csv", PLAIN, tile, **options)
        np.testing.assert_array_equal(found, box_ids((10, 5, 30, 25, class_id), background=ROAD))


def test_a_tile_that_no_row_names_is_refused(tmp_path: Path) -> None:
    options = write_dstl(tmp_path)
    with pytest.raises(LabelError, match="no row whose ImageId is '6120_9_9'"):
        ids_of(tmp_path / "train_wkt_v4.csv", PLAIN, "6120_9_9", **options)


def test_a_row_as_long_as_dstls_is_read(tmp_path: Path) -> None:
    # 10 MB is where GDAL stops by default
    squares = [shapely.box(10, 5, 30, 25)] * 60_000
    wkt = shapely.to_wkt(shapely.MultiPolygon(squares), rounding_precision=20, trim=False)
    assert len(wkt) > 11_000_000
    (tmp_path / "a.csv").write_text(f'class,WKT\nroof,"{wkt}"\n')
    file_options = VectorLabels(kind="vectors", attribute="class", coordinates="pixel")
    features = VectorFile(str(tmp_path / "a.csv"), file_options).read(None, "a")
    assert shapely.get_num_geometries(features.geometries).tolist() == [60_000]


@pytest.mark.parametrize("tiles", [["7", "8"], [7, 8]])
def test_a_tile_column_picks_a_tiles_own_geometries_as_text_or_number(tmp_path: Path, tiles: list) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, "roof"), (OTHER, "lawn")], columns={"tile": tiles})
    np.testing.assert_array_equal(ids_of(path, tile="8", tile_column="tile"), box_ids((20, 10, 50, 35, LAWN)))


def test_a_tile_id_with_quotes_stays_text(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "a.gpkg", [(SQUARE, "roof")], columns={"tile": ["it's \" 1"]})
    assert (ids_of(path, tile="it's \" 1", tile_column="tile")[10, 15]) == ROOF
