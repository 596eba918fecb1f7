"""What `eoseg predict` is given, and which file is written for which tile."""

import datetime
from pathlib import Path

import pystac
import pytest

from components.errors import ConfigError, MissingFileError
from tests.make_raster import gradient, write_raster
from tests.s3_server import s3_server
from tfx_pipeline.prediction_jobs import plan_predictions
from tfx_pipeline.prediction_tiles import find_prediction_tiles


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_one_raster_is_one_map(tmp_path: Path) -> None:
    touch(tmp_path / "a tile.tif")
    (job,) = plan_predictions(
        [str(tmp_path / "a tile.tif")], str(tmp_path / "m" / "map.tif"), {"areas": "x.csv"}, {"dsm": "{tile} dsm.tif"}
    )
    assert (job.tile.image, job.map_path) == (str(tmp_path / "a tile.tif"), tmp_path / "m" / "map.tif")
    assert job.outputs.named == {"areas": Path("x.csv")}
    assert job.tile.rasters == {"dsm": "a tile dsm.tif"}


def test_a_folder_is_mirrored_without_what_is_no_tile(tmp_path: Path) -> None:
    tiles, maps = tmp_path / "tiles", tmp_path / "tiles" / "maps"
    touch(tiles / "b.TIF", tiles / "north" / "a.jp2", tiles / "readme.txt", tiles / ".hidden.tif")
    touch(tiles / "north" / "old.tif.part" / "classes-0000000.tif", maps / "b.tif")
    jobs = plan_predictions([str(tiles)], str(maps), {"polygons": str(tmp_path / "p"), "confidence": "c"}, {})
    assert [(job.tile.image, job.map_path) for job in jobs] == [
        (str(tiles / "b.TIF"), maps / "b.tif"),
        (str(tiles / "north" / "a.jp2"), maps / "north" / "a.tif"),
    ]
    assert jobs[1].outputs.named == {
        "confidence": Path("c/north/a.tif"),
        "polygons": tmp_path / "p" / "north" / "a.gpkg",
    }


def test_a_folder_that_is_there_takes_the_map_of_one_tile(tmp_path: Path) -> None:
    touch(tmp_path / "a.tif")
    (tmp_path / "maps").mkdir()
    (job,) = plan_predictions([str(tmp_path / "a.tif")], str(tmp_path / "maps"), {}, {})
    assert job.map_path == tmp_path / "maps" / "a.tif"


def test_two_tiles_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.tif", tmp_path / "other" / "a.png")
    with pytest.raises(ConfigError, match=r"would have one map: a\.tif"):
        find_prediction_tiles([str(tmp_path / "a.tif"), str(tmp_path / "other" / "a.png")])


@pytest.mark.parametrize("given", ["nowhere.tif", "empty", "nowhere.csv", "nowhere.json"])
def test_what_is_not_there_is_said(tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=given):
        find_prediction_tiles([str(tmp_path / given)])


def test_a_list_needs_no_labels(tmp_path: Path) -> None:
    (tmp_path / "tiles.csv").write_text("image;tile;raster:dsm;date\nx/a.tif;1;a dsm.tif;2020-07-31\n/y/b.tif;;;\n")
    first, second = find_prediction_tiles([str(tmp_path / "tiles.csv")])
    assert first.model_dump() == {
        "name": "1",
        "image": str(tmp_path / "x" / "a.tif"),
        "rasters": {"dsm": str(tmp_path / "a dsm.tif")},
        "date": "2020-07-31",
    }
    assert (second.name, second.image, second.rasters) == ("b", "/y/b.tif", {})


@pytest.mark.parametrize(
    ("text", "message"), [("tile,label\na,b\n", "no column image"), ("tile,image\na,\n", "line 2")]
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tiles.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_prediction_tiles([str(tmp_path / "tiles.csv")])


@pytest.mark.parametrize("name", ["../a", "/etc/a"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "tiles.csv").write_text(f"tile,image\n{name},a.tif\n")
    with pytest.raises(ConfigError, match="leads out of"):
        plan_predictions([str(tmp_path / "tiles.csv")], str(tmp_path / "maps"), {}, {})


def test_items_give_image_rasters_and_date(tmp_path: Path) -> None:
    item = pystac.Item(
        id="scene 1",
        geometry={"type": "Point", "coordinates": [8.4, 49.0]},
        bbox=[8.4, 49.0, 8.4, 49.0],
        datetime=datetime.datetime(2020, 7, 31, tzinfo=datetime.timezone.utc),
        properties={},
    )
    item.add_asset("image", pystac.Asset("a.tif"))
    item.add_asset("height", pystac.Asset("s3://b/h.tif"))
    pystac.ItemCollection([item]).save_object(str(tmp_path / "items.json"))
    rasters = {"dsm": "height", "slope": "/x/{tile}.tif"}
    (tile,) = find_prediction_tiles([str(tmp_path / "items.json")], rasters)
    assert (tile.name, tile.image) == ("scene 1", str(tmp_path / "a.tif"))
    assert tile.rasters == {"dsm": "s3://b/h.tif", "slope": "/x/scene 1.tif"}
    assert tile.date.startswith("2020-07-31")
    with pytest.raises(ConfigError, match="it has image, height"):
        find_prediction_tiles([str(tmp_path / "items.json")], asset="visual")


def test_a_folder_of_a_store_is_read_as_one_here(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", gradient(20, 30))
    with s3_server("tiles") as client:
        for key in ("data/a.tif", "data/north/b.tif", "data/notes.txt"):
            client.upload_file(str(tmp_path / "a.tif"), "tiles", key)
        tiles = find_prediction_tiles(["s3://tiles/data"])
    assert [(tile.name, tile.image) for tile in tiles] == [
        ("a", "s3://tiles/data/a.tif"),
        ("north/b", "s3://tiles/data/north/b.tif"),
    ]


def test_maps_are_not_written_to_stores() -> None:
    with pytest.raises(ConfigError, match="no local path"):
        plan_predictions(["a.tif"], "s3://bucket/map.tif", {}, {})


def test_polygons_of_an_unknown_kind_are_refused_before_anything_is_predicted(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    with pytest.raises(ConfigError, match=r"'\.kml' is not known"):
        plan_predictions([str(tmp_path / "a.tif")], str(tmp_path / "m.tif"), {"polygons": "areas.kml"}, {})
