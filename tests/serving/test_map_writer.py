from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from components.classes import VOID_ID, ClassTable
from components.errors import RasterError
from components.geo.raster import Georeference
from serving.map_writer import open_map

PLACE = Georeference(Affine(0.5, 0, 300000, 0, -0.5, 2000000), "EPSG:32640")


def test_rows_of_any_height_become_one_map(tmp_path: Path, table: ClassTable) -> None:
    class_ids = np.random.default_rng(0).integers(0, 3, (700, 300), np.uint8)
    class_ids[:50, :50] = VOID_ID
    path = tmp_path / "new folder" / "map.tif"
    with open_map(path, (700, 300), PLACE, table, {"EOSEG_VERSION": "7"}) as writer:
        for rows in np.split(class_ids, [10, 11, 600]):
            writer.write(rows)
    with rasterio.open(path) as written:
        np.testing.assert_array_equal(written.read(1), class_ids)
        assert (written.crs.to_epsg(), written.transform) == (32640, PLACE.transform)
        assert (written.nodata, written.compression.name, written.block_shapes) == (255, "deflate", [(256, 256)])
        assert written.colormap(1)[1] == (0, 128, 0, 255)
        assert written.tags()["CLASS_2"] == "roof"
        assert written.tags()["EOSEG_VERSION"] == "7"
    assert writer.counts[:3].tolist() == [np.count_nonzero(class_ids == i) for i in range(3)]
    assert writer.counts[VOID_ID] == 2500


def test_a_map_that_fails_leaves_nothing_and_keeps_the_old_one(tmp_path: Path, table: ClassTable) -> None:
    path = tmp_path / "map.tif"
    path.write_text("the map of yesterday")

    def fail_half_way() -> None:
        with open_map(path, (300, 300), PLACE, table, {}) as writer:
            writer.write(np.zeros((256, 300), np.uint8))
            raise KeyError("half way")

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_text() == "the map of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_one_clear_error(tmp_path: Path, table: ClassTable) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RasterError, match="cannot be written"),
        open_map(tmp_path / "file" / "map.tif", (10, 10), PLACE, table, {}),
    ):
        pass
