"""Which tiles a configuration names, and what is said when it names none, too many, or the same twice."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import ConfigError, DataError, MissingFileError
from components.geo.window import Window
from tests.make_raster import write_raster
from tfx_pipeline.tiles import DataOptions, find_tiles


def make_files(root: Path, tiles: list[str]) -> None:
    for tile in tiles:
        for kind in ("images", "masks"):
            path = root / f"Tile {tile}" / kind / f"part {tile}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


WITH_HEIGHT = {"red": 1, "height": {"raster": "dsm", "number": 1}}


def options(folder: Path, **changes: object) -> DataOptions:
    given = {
        "root": str(folder),
        "images": "{folder}/images/part {tile}.tif",
        "labels": "{folder}/masks/part {tile}.tif",
        "bands": {"red": 1},
        "splits": {"train": "rest", "eval": ["2"]},
    }
    return DataOptions.model_validate({**given, **changes})


def test_patterns_with_spaces_find_pairs_and_splits(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2", "3"])
    found = find_tiles(options(tmp_path))
    assert [(t.tile, t.split) for t in found] == [("1", "train"), ("3", "train"), ("2", "eval")]
    assert found[0].label == str(tmp_path / "Tile 1/masks/part 1.tif")


def test_numbers_in_yaml_are_tile_ids(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2"])
    found = find_tiles(options(tmp_path, splits={"train": [1], "eval": [2]}))
    assert [tile.split for tile in found] == ["train", "eval"]


def test_excluded_tiles_are_left_out(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2", "3"])
    assert [t.tile for t in find_tiles(options(tmp_path, exclude=["3"]))] == ["1", "2"]


def test_an_explicit_list_needs_no_pattern(tmp_path: Path) -> None:
    for name in ("a b.tif", "c.tif"):
        (tmp_path / name).touch()
    tiles = [
        {"tile": "x", "image": "a b.tif", "label": "c.tif", "split": "train"},
        {"tile": "y", "image": "a b.tif", "label": "c.tif", "split": "eval"},
    ]
    found = find_tiles(options(tmp_path, images=None, labels=None, tiles=tiles, splits={}))
    assert [tile.tile for tile in found] == ["x", "y"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"root": "/none/such"}, MissingFileError, "/none/such is no folder"),
        ({"images": "{folder}/{tile}.jpg"}, MissingFileError, "no image below"),
        ({"labels": "{folder}/labels/{tile}.tif"}, MissingFileError, "tile 1 has no label"),
        ({"splits": {"train": ["1"], "eval": ["2"]}}, ConfigError, "in no split: 3"),
        ({"splits": {"train": ["1", "2", "3"], "eval": ["2"]}}, ConfigError, "tile 2 is in the splits train and eval"),
        ({"splits": {"train": "rest", "eval": ["9"]}}, MissingFileError, "names '9', but no image matches"),
        ({"splits": {"train": "rest"}}, DataError, "split eval has no tile"),
    ],
)
def test_bad_input_is_named_with_a_remedy(
    changes: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    make_files(tmp_path, ["1", "2", "3"])
    with pytest.raises(error, match=message) as caught:
        find_tiles(options(tmp_path, **changes))
    assert caught.value.remedy  # type: ignore[attr-defined]


def test_two_images_of_one_id_are_refused(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2"])
    (tmp_path / "Tile 1/images/part 2.tif").touch()
    with pytest.raises(ConfigError, match="two images have the tile id '2'"):
        find_tiles(options(tmp_path))


def test_patterns_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="which `images`"):
        options(tmp_path, labels="{place}/{tile}.tif")
    with pytest.raises(ValidationError, match=r"rasters\.dsm uses {place}, which `images`"):
        options(tmp_path, rasters={"dsm": "{place}/{tile}.tif"})
    with pytest.raises(ValidationError, match="numbers start at 1"):
        options(tmp_path, bands={"red": 0})


def test_every_pattern_is_filled_with_what_the_image_matched(tmp_path: Path) -> None:
    for name in ("2020_1", "2021_2"):
        for kind in ("rgb", "dsm", "roof", "lawn", "edge"):
            (tmp_path / f"{kind} {name}.tif").touch()
    found = find_tiles(
        options(
            tmp_path,
            images="rgb {year}_{tile}.tif",
            rasters={"dsm": "dsm {year}_{tile}.tif"},
            bands=WITH_HEIGHT,
            labels={"roof": "roof {year}_{tile}.tif", "lawn": "lawn {year}_{tile}.tif"},
            ignore="edge {year}_{tile}.tif",
            date="{year}",
        )
    )
    first, second = found
    assert (first.tile, first.date, second.tile, second.date) == ("1", "2020", "2", "2021")
    assert first.rasters == {"dsm": str(tmp_path / "dsm 2020_1.tif")}
    assert first.label == ""
    assert list(second.masks.items()) == [
        ("roof", str(tmp_path / "roof 2021_2.tif")),
        ("lawn", str(tmp_path / "lawn 2021_2.tif")),
    ]
    assert second.ignore == str(tmp_path / "edge 2021_2.tif")


@pytest.mark.parametrize("kind", ["dsm", "roof", "edge"])
def test_each_missing_file_of_a_tile_is_named(kind: str, tmp_path: Path) -> None:
    for tile in ("1", "2"):
        for made in ("rgb", "dsm", "roof", "edge"):
            if (made, tile) != (kind, "2"):
                (tmp_path / f"{made}{tile}.tif").touch()
    with pytest.raises(MissingFileError, match=rf"tile 2 has no .*{kind}2\.tif does not exist"):
        find_tiles(
            options(
                tmp_path,
                images="rgb{tile}.tif",
                rasters={"dsm": "dsm{tile}.tif"},
                bands=WITH_HEIGHT,
                labels={"roof": "roof{tile}.tif"},
                ignore="edge{tile}.tif",
            )
        )


def test_one_vector_file_serves_all_tiles(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2"])
    (tmp_path / "all labels.gpkg").touch()
    found = find_tiles(options(tmp_path, labels="all labels.gpkg"))
    assert {tile.label for tile in found} == {str(tmp_path / "all labels.gpkg")}


def test_a_date_that_is_none_is_named_with_its_file(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2"])
    with pytest.raises(ConfigError, match=r"part 1\.tif: '1' is no date"):
        find_tiles(options(tmp_path, date="{tile}"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"list": "tiles.csv"}, "received images and list"),
        ({"images": None}, "received none"),
        ({"images": None, "list": "tiles.csv"}, "`labels` goes with `images`; with `list`"),
        ({"splits": {"train": "all", "eval": ["2"]}}, "train is 'all'; write a list of tile ids, a share"),
        ({"splits": {"train": 0.5, "eval": ["2"]}}, "one or the other"),
        ({"splits": {"train": 0.5, "eval": 0.6}}, "these sum to 1.1"),
        ({"splits": {"train": 1.2, "eval": -0.2}}, "above 0"),
        ({"splits": {"train": "rest", "eval": "rest"}}, "only one split can take the `rest`"),
        ({"blocks": {"size_px": 64, "eval": [0]}}, "take `splits` out, or `blocks`"),
        ({"split_registry": "s3://bucket/splits.json"}, "a local file"),
        ({"rasters": {"image": "{tile}.tif"}}, "give further rasters other names"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=message):
        options(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"rasters": {"dsm": "{folder}/{tile}.tif"}}, "`rasters`"),
        ({"images": None, "labels": None, "stac": {"items": "i.json", "raster_assets": {"dsm": "x"}}}, "`stac.raster"),
        (
            {
                "images": None,
                "labels": None,
                "tiles": [{"tile": "2", "image": "a.tif", "label": "b.tif", "rasters": {"dsm": "c.tif"}}],
            },
            "`tiles`",
        ),
    ],
)
def test_a_raster_that_no_band_is_read_from_was_forgotten(changes: dict[str, object], key: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=rf"{key}.* the raster 'dsm', which no band is read from; add a band"):
        options(tmp_path, **changes)
    derived = {"height": {"raster": "dsm", "number": 1, "recorded": False}, "red": 1, "sum": "red + height"}
    options(tmp_path, **changes, bands=derived)


def test_labels_fit_their_kind_and_the_classes(tmp_path: Path) -> None:
    masks = options(tmp_path, labels={"roof": "{folder}{tile}.tif"})
    masks.check_labels("masks", ("roof", "lawn"))
    with pytest.raises(ValueError, match=r"labels.kind is colors; expected masks"):
        masks.check_labels("colors", ("roof",))
    with pytest.raises(ValueError, match="a mask is named roof, which is no class; classes are lawn"):
        masks.check_labels("masks", ("lawn",))
    with pytest.raises(ValueError, match="must map class names to files"):
        options(tmp_path).check_labels("masks", ("roof",))
    one_file = options(tmp_path, labels="all.gpkg")
    one_file.check_labels("vectors", ("roof",))
    with pytest.raises(ValueError, match="all tiles would share one label raster"):
        one_file.check_labels("index", ("roof",))


def test_shares_deal_tiles_by_their_ids_alone(tmp_path: Path) -> None:
    tiles = [str(i) for i in range(30)]
    make_files(tmp_path, tiles)
    shares = {"train": 0.5, "eval": 0.3, "test": 0.2}
    few = {tile.tile: tile.split for tile in find_tiles(options(tmp_path, splits=shares))}
    assert set(few.values()) == {"train", "eval", "test"}
    make_files(tmp_path, [f"new {i}" for i in range(30)])
    many = {tile.tile: tile.split for tile in find_tiles(options(tmp_path, splits=shares))}
    assert len(many) == 60
    assert {tile: many[tile] for tile in tiles} == few


def test_blocks_cut_a_tile_into_parts_of_all_splits(tmp_path: Path) -> None:
    write_raster(tmp_path / "big.tif", np.zeros((64, 96), np.uint8))
    (tmp_path / "label.tif").touch()
    blocks = {"size_px": 32, "pattern": "checkerboard", "folds": 2, "eval": [1], "buffer_px": 4}
    found = find_tiles(options(tmp_path, images="big.tif", labels="label.tif", tile_id="big", splits={}, blocks=blocks))
    assert [(source.tile, source.split, source.area) for source in found] == [
        ("big/r0c0", "train", Window(0, 0, 28, 28)),
        ("big/r0c2", "train", Window(0, 68, 28, 28)),
        ("big/r1c1", "train", Window(36, 36, 28, 24)),
        ("big/r0c1", "eval", Window(0, 32, 32, 32)),
        ("big/r1c0", "eval", Window(32, 0, 32, 32)),
        ("big/r1c2", "eval", Window(32, 64, 32, 32)),
    ]
    assert {source.image for source in found} == {str(tmp_path / "big.tif")}


def test_blocks_that_leave_a_split_empty_say_what_helps(tmp_path: Path) -> None:
    write_raster(tmp_path / "big.tif", np.zeros((64, 64), np.uint8))
    (tmp_path / "label.tif").touch()
    with pytest.raises(DataError, match="smaller size_px"):
        find_tiles(
            options(
                tmp_path,
                images="big.tif",
                labels="label.tif",
                tile_id="big",
                splits={},
                blocks={"size_px": 64, "eval": [0]},
            )
        )


def test_a_field_is_filled_up_with_zeros_where_the_pattern_says_so(tmp_path: Path) -> None:
    """ISPRS Potsdam: top_potsdam_2_10_RGBIR.tif belongs to dsm_potsdam_02_10.tif."""
    for name in ("top_2_10.tif", "top_7_7.tif", "dsm_02_10.tif", "dsm_07_07.tif"):
        (tmp_path / name).touch()
    found = find_tiles(
        options(
            tmp_path,
            images="top_{row}_{col}.tif",
            labels="top_{row}_{col}.tif",
            tile_id="{row}_{col}",
            rasters={"dsm": "dsm_{row:02}_{col:02}.tif"},
            bands=WITH_HEIGHT,
            splits={"train": ["2_10"], "eval": ["7_7"]},
        )
    )
    assert {tile.tile: Path(tile.rasters["dsm"]).name for tile in found} == {
        "2_10": "dsm_02_10.tif",
        "7_7": "dsm_07_07.tif",
    }


def test_a_filled_field_that_images_do_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"rasters\.dsm uses {place}, which `images`"):
        options(tmp_path, rasters={"dsm": "{place:03}.tif"})


def test_a_list_with_labels_of_two_kinds_is_refused(tmp_path: Path) -> None:
    tiles = [
        {"tile": "x", "image": "x.tif", "label": "a.tif"},
        {"tile": "y", "image": "y.tif", "masks": {"roof": "b.tif"}},
    ]
    given = options(tmp_path, images=None, labels=None, tiles=tiles)
    with pytest.raises(ValueError, match="some tiles have a label, others masks"):
        given.check_labels("masks", ("roof",))


def test_a_missing_area_of_interest_is_one_error_before_any_tile_is_read(tmp_path: Path) -> None:
    make_files(tmp_path, ["1", "2"])
    with pytest.raises(MissingFileError, match=r"area\.gpkg does not exist"):
        find_tiles(options(tmp_path, area_of_interest="area.gpkg"))


@pytest.mark.parametrize("where", ["root", "image", "label", "area_of_interest"])
def test_a_store_that_does_not_tell_of_changes_is_named_before_it_is_asked(where: str, tmp_path: Path) -> None:
    """Before: advice on the credentials of another store."""
    (tmp_path / "a.tif").touch()
    tile = {"image": "a.tif", "label": "a.tif"}
    changes: dict[str, object] = {"images": None, "labels": None, "splits": {}}
    if where in tile:
        tile[where] = "gs://bucket/a.tif"
    else:
        changes[where] = "gs://bucket/a.tif"
    changes["tiles"] = [{"tile": split, "split": split, **tile} for split in ("train", "eval")]
    with pytest.raises(ConfigError, match=r"gs://bucket/a\.tif lies in Google Cloud Storage, where EOSeg cannot tell"):
        find_tiles(options(tmp_path, **changes))
