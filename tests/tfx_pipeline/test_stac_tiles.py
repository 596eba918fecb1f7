"""A STAC item collection is a list of tiles."""

import datetime
from pathlib import Path

import pystac
import pytest

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.tiles import DataOptions, find_tiles


def item(name: str, assets: dict[str, str], **properties: object) -> pystac.Item:
    made = pystac.Item(
        id=name,
        geometry={"type": "Point", "coordinates": [8.4, 49.0]},
        bbox=[8.4, 49.0, 8.4, 49.0],
        datetime=datetime.datetime(2020, 7, 31, 10, tzinfo=datetime.timezone.utc),
        properties=dict(properties),
    )
    for key, href in assets.items():
        made.add_asset(key, pystac.Asset(href))
    return made


def options(folder: Path, stac: dict[str, object] | None = None, **changes: object) -> DataOptions:
    given = {
        "root": str(folder),
        "stac": {"items": "catalogue/items.json", **(stac or {})},
        "bands": {"red": 1},
        "splits": {"train": "rest", "eval": ["b"]},
    }
    return DataOptions.model_validate({**given, **changes})


def save(folder: Path, *items: pystac.Item) -> None:
    (folder / "catalogue").mkdir(exist_ok=True)
    pystac.ItemCollection(items).save_object(str(folder / "catalogue" / "items.json"))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


def test_items_are_tiles_with_assets_dates_and_splits(tmp_path: Path) -> None:
    touch(tmp_path, "catalogue/a b.tif", "a.png", "a dsm.tif", "else where/b.tif", "b.png", "b dsm.tif")
    save(
        tmp_path,
        item("a", {"image": "./a b.tif", "labels": "../a.png", "height": "../a dsm.tif", "thumb": "t.jpg"}),
        item(
            "b",
            {
                "image": (tmp_path / "else where/b.tif").as_uri(),
                "labels": "../b.png",
                "height": str(tmp_path / "b dsm.tif"),
            },
            **{"eoseg:split": "eval"},
        ),
    )
    stac = {"raster_assets": {"dsm": "height"}, "split_property": "eoseg:split"}
    bands = {"red": 1, "height": {"raster": "dsm", "number": 1}}
    first, second = find_tiles(options(tmp_path, stac, splits={"train": "rest"}, bands=bands))
    assert (first.tile, first.split, first.date) == ("a", "train", "2020-07-31T10:00:00+00:00")
    assert Path(first.image) == tmp_path / "catalogue" / "a b.tif"
    assert Path(first.label).resolve() == (tmp_path / "a.png").resolve()
    assert Path(first.rasters["dsm"]).resolve() == (tmp_path / "a dsm.tif").resolve()
    assert (second.tile, second.split) == ("b", "eval")
    assert second.image == str(tmp_path / "else where/b.tif")


def test_masks_and_ignored_pixels_are_assets_too(tmp_path: Path) -> None:
    touch(tmp_path, *(f"catalogue/{name}.tif" for name in ("image", "roof", "lawn", "edge")))
    assets = {"image": "image.tif", "r": "roof.tif", "l": "lawn.tif", "e": "edge.tif"}
    save(tmp_path, item("a", assets), item("b", assets))
    first, _ = find_tiles(options(tmp_path, {"mask_assets": {"roof": "r", "lawn": "l"}, "ignore_asset": "e"}))
    assert [(name, Path(path).name) for name, path in first.masks.items()] == [
        ("roof", "roof.tif"),
        ("lawn", "lawn.tif"),
    ]
    assert Path(first.ignore).name == "edge.tif"


def test_no_network_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "catalogue/a.tif", "catalogue/a.png")
    linked = [item(name, {"image": "a.tif", "labels": "a.png"}) for name in ("a", "b")]
    for one in linked:
        one.set_self_href("https://stac.invalid/collections/c/items/a.json")
        one.add_link(pystac.Link("collection", "https://stac.invalid/collections/c"))
        for asset, name in (("image", "a.tif"), ("labels", "a.png")):
            one.assets[asset].href = name
    save(tmp_path, *linked)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    assert [tile.tile for tile in find_tiles(options(tmp_path))] == ["a", "b"]


@pytest.mark.parametrize(
    ("stac", "message"),
    [
        ({"image_asset": "visual"}, "item a of .* has no asset 'visual'; it has image, labels"),
        ({"label_asset": "truth"}, "has no asset 'truth'"),
        ({"split_property": "set"}, r"has the split 'validation' \(set\)"),
    ],
)
def test_items_that_lack_something_are_named(stac: dict[str, object], message: str, tmp_path: Path) -> None:
    touch(tmp_path, "catalogue/a.tif", "catalogue/a.png")
    save(tmp_path, *(item(name, {"image": "a.tif", "labels": "a.png"}, set="validation") for name in ("a", "b")))
    with pytest.raises(ConfigError, match=message):
        find_tiles(options(tmp_path, stac))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as STAC"),
        ("[]", r"no STAC item collection \(its type is list"),
        ('{"type": "Catalog"}', r"no STAC item collection \(its type is Catalog"),
        ('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "STAC"),
    ],
)
def test_other_json_is_refused(text: str, message: str, tmp_path: Path) -> None:
    touch(tmp_path, "catalogue/items.json")
    (tmp_path / "catalogue/items.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        find_tiles(options(tmp_path))


def test_a_collection_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"items\.json does not exist"):
        find_tiles(options(tmp_path))
