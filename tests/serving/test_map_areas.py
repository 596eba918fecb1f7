import csv
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from components.classes import VOID_ID
from components.errors import MissingFileError, RasterError
from serving import map_areas
from serving.map_areas import write_areas
from tests.make_raster import write_raster
from tests.serving.make_class_map import TABLE, patches, write_class_map


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["class"]: row for row in csv.DictReader(file)}


def test_pixels_times_their_area(tmp_path: Path) -> None:
    class_ids = np.array([[0, 0, 0, 2], [0, 2, 255, 255]], np.uint8)
    path = write_class_map(tmp_path / "map.tif", class_ids, transform=Affine(100, 0, 500_000, 0, -100, 5_500_000))
    areas = write_areas(path, tmp_path / "areas.csv", TABLE)
    assert (tmp_path / "areas.csv").read_text(encoding="utf-8").splitlines() == [
        "class_id,class,pixels,area_m2,area_ha,share",
        "0,water,4,40000.000,4.0000000,0.66666667",
        '1,"low vegetation, wet",0,0.000,0.0000000,0.00000000',
        "2,Gebäude,2,20000.000,2.0000000,0.33333333",
        ",nodata,2,20000.000,2.0000000,",
        ",total,6,60000.000,6.0000000,1.00000000",
    ]
    assert (areas.total.hectares, areas.note) == (6.0, "")


def test_a_large_map_is_counted_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_ids = patches()
    path = write_class_map(tmp_path / "map.tif", class_ids)
    at_once = write_areas(path, tmp_path / "a.csv", TABLE)
    monkeypatch.setattr(map_areas, "_PIXELS_AT_ONCE", 1)
    assert write_areas(path, tmp_path / "b.csv", TABLE) == at_once
    assert [row.pixels for row in at_once.classes] == [np.count_nonzero(class_ids == i) for i in range(3)]
    assert at_once.nodata.pixels == np.count_nonzero(class_ids == VOID_ID)


def test_longitudes_and_latitudes_are_measured_row_by_row(tmp_path: Path) -> None:
    class_ids = np.zeros((180, 360), np.uint8)
    class_ids[:90] = 1
    class_ids[0] = 2
    path = write_class_map(tmp_path / "map.tif", class_ids, crs="EPSG:4326", transform=Affine(1, 0, -180, 0, -1, 90))
    areas = write_areas(path, tmp_path / "areas.csv", TABLE)
    assert areas.total.square_metres == pytest.approx(510_065_621.724e6, rel=1e-9)
    assert areas.classes[0].share == pytest.approx(0.5)
    # A spherical cap of one degree, pi * radius**2 * (1 degree)**2, with the polar radius of curvature 6 399 594 m.
    assert areas.classes[2].square_metres == pytest.approx(np.pi * (6_399_594 * np.radians(1)) ** 2, rel=1e-3)


def test_a_map_without_place_has_pixels_and_shares_alone(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", np.array([[0, 1, 1, 255]], np.uint8), crs=None)
    areas = write_areas(path, tmp_path / "areas.csv", TABLE)
    rows = rows_of(tmp_path / "areas.csv")
    assert (rows["low vegetation, wet"]["pixels"], rows["low vegetation, wet"]["area_m2"]) == ("2", "")
    assert rows["low vegetation, wet"]["share"] == "0.66666667"
    assert "no coordinate system" in areas.note


def test_web_mercator_is_warned_about(tmp_path: Path) -> None:
    at_50_degrees = Affine(1, 0, 0, 0, -1, 6_446_276)
    path = write_class_map(tmp_path / "map.tif", patches(), crs="EPSG:3857", transform=at_50_degrees)
    assert "2.4" in write_areas(path, tmp_path / "areas.csv", TABLE).note


def test_a_map_of_nodata_has_no_shares(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", np.full((4, 4), VOID_ID, np.uint8))
    assert {row.share for row in write_areas(path, tmp_path / "areas.csv", TABLE).classes} == {None}


def test_what_is_no_map_of_these_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="does not exist"):
        write_areas(tmp_path / "none.tif", tmp_path / "areas.csv", TABLE)
    stray = write_class_map(tmp_path / "stray.tif", np.array([[0, 3]], np.uint8))
    with pytest.raises(RasterError, match="class number 3"):
        write_areas(stray, tmp_path / "areas.csv", TABLE)
    image = write_raster(tmp_path / "image.tif", np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(RasterError, match="3 band"):
        write_areas(image, tmp_path / "areas.csv", TABLE)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(RasterError, match="cannot be read"):
        write_areas(tmp_path / "text.tif", tmp_path / "areas.csv", TABLE)
    assert not (tmp_path / "areas.csv").exists()


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    path = write_class_map(tmp_path / "map.tif", patches())
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for out in (tmp_path / "file" / "areas.csv", tmp_path / "folder.csv"):
        with pytest.raises(RasterError, match="cannot be written"):
            write_areas(path, out, TABLE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.csv", "map.tif"]
