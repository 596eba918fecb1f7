import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from components.classes import VOID_ID, ClassTable, LandClass
from components.errors import RasterError
from components.geo.raster import Georeference, Grid
from serving.map_writer import open_map
from tests.make_raster import write_raster
from tests.serving.cog_structure import cog_faults

PLACE = Georeference(Affine(0.5, 0, 300000, 0, -0.5, 2000000), "EPSG:32640")
TABLE = ClassTable(
    classes=(
        LandClass(name="water", color=(0, 0, 255)),
        LandClass(name='forest & "wood"', color=(0, 128, 0)),
        LandClass(name="roof", color=(255, 0, 0)),
    )
)


def random_ids(height: int, width: int) -> np.ndarray:
    class_ids = np.random.default_rng(0).integers(0, 3, (height, width), np.uint8)
    class_ids[:50, :50] = VOID_ID
    return class_ids


def write(path: Path, class_ids: np.ndarray, place: Georeference = PLACE, cuts: tuple[int, ...] = ()) -> None:
    with open_map({"classes": path}, Grid(*class_ids.shape, place), TABLE, {"EOSEG_VERSION": "7"}) as writer:
        for rows in np.split(class_ids, cuts):
            writer.write({"classes": rows[None]})
    assert writer.counts[:3].tolist() == [np.count_nonzero(class_ids == i) for i in range(3)]
    assert writer.counts[VOID_ID] == np.count_nonzero(class_ids == VOID_ID)


def test_rows_of_any_height_become_one_map(tmp_path: Path) -> None:
    class_ids = random_ids(1300, 700)
    path = tmp_path / "new folder" / "map.tif"
    write(path, class_ids, cuts=(10, 11, 600))
    with rasterio.open(path) as written:
        np.testing.assert_array_equal(written.read(1), class_ids)
        assert (written.crs.to_epsg(), written.transform) == (32640, PLACE.transform)
        assert (written.nodata, written.compression.name, written.block_shapes) == (255, "deflate", [(512, 512)])
        assert written.colormap(1)[1] == (0, 128, 0, 255)
        assert written.tags()["CLASS_2"] == "roof"
        assert written.tags()["CLASS_1"] == 'forest & "wood"'
        assert written.tags()["EOSEG_VERSION"] == "7"
        assert written.descriptions == ("land cover",)
    assert {file.name for file in path.parent.iterdir()} == {"map.tif", "map.tif.aux.xml", "map.qml"}


@pytest.mark.parametrize("shape", [(1, 1), (400, 513), (1100, 1030)])
def test_a_map_is_cloud_optimised(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "map.tif"
    write(path, random_ids(*shape))
    assert cog_faults(path) == []
    with rasterio.open(path) as written:
        assert written.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_the_check_of_the_structure_finds_a_plain_geotiff_out(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    write_raster(path, random_ids(1100, 1030), creation={"tiled": True})
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert "pixels come before a directory" in cog_faults(path)


def test_overviews_make_no_class_that_is_not_there(tmp_path: Path) -> None:
    # Of every 2 x 2 pixels two are 2 and two are 0: an average would be 1.
    class_ids = np.full((1024, 1024), 2, np.uint8)
    class_ids[::2] = 0
    path = tmp_path / "map.tif"
    write(path, class_ids)
    with rasterio.open(path, OVERVIEW_LEVEL=0) as half:
        assert half.shape == (512, 512)
        assert 1 not in half.read(1)


def test_qgis_finds_names_and_colours_of_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    write(path, random_ids(60, 60))
    entries = ET.parse(tmp_path / "map.qml").getroot().findall("pipe/rasterrenderer/colorPalette/paletteEntry")
    assert [(e.get("value"), e.get("label"), e.get("color")) for e in entries] == [
        ("0", "water", "#0000ff"),
        ("1", 'forest & "wood"', "#008000"),
        ("2", "roof", "#ff0000"),
    ]
    names = ET.parse(tmp_path / "map.tif.aux.xml").getroot().findall("PAMRasterBand/CategoryNames/Category")
    assert [name.text for name in names] == list(TABLE.names)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            Georeference(Affine.identity(), ""),
            marks=pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
        ),
        Georeference(Affine(1e-5, 0, 7.25, 0, -1e-5, 51.125), "EPSG:4326"),
        Georeference(Affine(0.5, 0, 3_400_000, 0, -0.5, 5_500_000), "EPSG:31467"),
        Georeference(Affine(0.3, 0.4, 300000, 0.4, -0.3, 2000000), "EPSG:32640"),
        Georeference(Affine(0.5, 0, 300000, 0, 0.5, 2000000), "EPSG:32640"),
    ],
    ids=["nowhere", "degrees, north first", "metres, north first", "rotated", "south up"],
)
def test_the_map_lies_exactly_where_the_tile_lies(tmp_path: Path, place: Georeference) -> None:
    path = tmp_path / "map.tif"
    write(path, random_ids(60, 80), place)
    with rasterio.open(path) as written:
        assert written.transform == place.transform
        assert (written.crs.to_string() if written.crs else "") == place.crs


def test_confidence_and_scores_come_with_the_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = {
        "classes": rng.integers(0, 3, (1, 600, 90), np.uint8),
        "confidence": rng.integers(0, 101, (1, 600, 90), np.uint8),
        "scores": rng.integers(0, 255, (3, 600, 90), np.uint8),
    }
    paths = {name: tmp_path / f"{name}.tif" for name in rows}
    with open_map(paths, Grid(600, 90, PLACE), TABLE, {}) as writer:
        for cut in (slice(0, 300), slice(300, 600)):
            writer.write({name: values[:, cut] for name, values in rows.items()})
    for name, path in paths.items():
        assert cog_faults(path) == []
        with rasterio.open(path) as written:
            np.testing.assert_array_equal(written.read(), rows[name])
            assert written.nodata == 255
    with rasterio.open(paths["scores"]) as written:
        assert written.descriptions == TABLE.names
        assert written.scales == pytest.approx((1 / 254,) * 3)


def test_a_map_that_fails_at_once_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_text("the map of yesterday")

    def fail_half_way() -> None:
        with open_map({"classes": path}, Grid(300, 300, PLACE), TABLE, {}) as writer:
            writer.write({"classes": np.zeros((1, 256, 300), np.uint8)})
            raise KeyError("half way")

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_text() == "the map of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RasterError, match="cannot be written"),
        open_map({"classes": tmp_path / "file" / "map.tif"}, Grid(10, 10, PLACE), TABLE, {}),
    ):
        pass
