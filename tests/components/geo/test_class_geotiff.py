"""Rasters of classes as written: whole or not at all, and overviews that invent no class."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from components.classes import VOID_ID, ClassTable, LandClass
from components.errors import LabelError, RasterError
from components.geo.class_geotiff import BLOCK, create_geotiff, describe_classes
from components.geo.geotiff import open_raster
from components.geo.raster import Georeference
from components.geo.window import Window

TABLE = ClassTable(
    classes=(LandClass(name="water", color=(0, 0, 255)), LandClass(name="dry land", color=(9, 99, 0))),
    void=(LandClass(name="void", color=(1, 2, 3)),),
)
PLACE = Georeference(Affine(0.5, 0, 300000, 0, -0.5, 2000000), "EPSG:32640")
NOWHERE = Georeference(Affine.identity(), "")


@pytest.mark.parametrize("place", [PLACE, NOWHERE])
def test_the_file_says_where_it_lies_and_what_its_numbers_mean(tmp_path: Path, place: Georeference) -> None:
    ids = np.array([[0, 1, VOID_ID]], np.uint8)
    path = tmp_path / "new folder" / "a map.tif"
    with create_geotiff(path, ids.shape, place, nodata=VOID_ID) as dataset:
        describe_classes(dataset, TABLE, (0, 0, 0, 0), {"MADE_BY": "a test"})
        dataset.write(ids, 1)
    with open_raster(path) as reader:
        assert reader.georeference.transform == place.transform
        assert reader.crs_name == ("EPSG:32640" if place is PLACE else "none")
        assert reader.read(Window(0, 0, 1, 3)).valid.tolist() == [[True, True, False]]
        palette = reader.colormap
        assert palette is not None
        assert palette[[0, 1, VOID_ID]].tolist() == [[0, 0, 255], [9, 99, 0], [0, 0, 0]]
    with rasterio.open(path) as dataset:
        assert dataset.tags()["CLASS_NAMES"] == '["water", "dry land"]'
        assert dataset.tags()["CLASS_1"] == "dry land"
        assert dataset.tags()["MADE_BY"] == "a test"
        assert dataset.colormap(1)[VOID_ID] == (0, 0, 0, 0)
    assert [file.name for file in path.parent.iterdir()] == ["a map.tif"]


@pytest.mark.parametrize(
    ("side", "factors"), [(BLOCK, []), (BLOCK + 1, [2]), (2 * BLOCK, [2]), (2 * BLOCK + 1, [2, 4])]
)
@pytest.mark.parametrize("bands", [1, 3])
def test_overviews_pick_pixels_until_one_block_holds_the_raster(
    tmp_path: Path, side: int, factors: list[int], bands: int
) -> None:
    """Every second column is class 0, the others class 200: an average of any two neighbours would be another class."""
    ids = np.zeros((bands, 40, side), np.uint8)
    ids[..., 1::2] = 200
    with create_geotiff(tmp_path / "a.tif", (40, side), PLACE, bands) as dataset:
        dataset.write(ids)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.overviews(1) == factors
        assert dataset.block_shapes == [(BLOCK, BLOCK)] * bands
        np.testing.assert_array_equal(dataset.read(), ids)
    for level in range(len(factors)):
        with rasterio.open(tmp_path / "a.tif", OVERVIEW_LEVEL=level) as overview:
            assert set(np.unique(overview.read())) <= {0, 200}


@pytest.mark.parametrize("failure", [LabelError("no class"), KeyError("half way")])
def test_what_fails_leaves_nothing_and_keeps_the_old_file(tmp_path: Path, failure: Exception) -> None:
    path = tmp_path / "a.tif"
    path.write_text("yesterday's")

    def fail_half_way() -> None:
        with create_geotiff(path, (2, 2), PLACE):
            raise failure

    with pytest.raises(type(failure)):
        fail_half_way()
    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(RasterError, match="cannot be written") as caught,
        create_geotiff(tmp_path / "file" / "a.tif", (2, 2), PLACE, holds="map"),
    ):
        pass
    assert "room for the map" in caught.value.expected
