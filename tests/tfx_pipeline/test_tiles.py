"""Which tiles a configuration names, and what is said when it names none, too many, or the same twice."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.errors import ConfigError, DataError, MissingFileError
from tfx_pipeline.tiles import DataOptions, find_tiles


def make_files(root: Path, tiles: list[str]) -> None:
    for tile in tiles:
        for kind in ("images", "masks"):
            path = root / f"Tile {tile}" / kind / f"part {tile}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


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
    with pytest.raises(ValidationError, match="numbers start at 1"):
        options(tmp_path, bands={"red": 0})
