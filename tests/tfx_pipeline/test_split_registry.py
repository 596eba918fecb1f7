"""With a registry no tile ever changes its split, unless somebody edits the registry."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.errors import ConfigError, DataError
from tests.make_raster import write_raster
from tfx_pipeline.tiles import DataOptions, find_tiles


def options(folder: Path, **changes: object) -> DataOptions:
    given = {
        "root": str(folder),
        "images": "{tile}.tif",
        "labels": "{tile}.png",
        "bands": {"red": 1},
        "splits": {"train": "rest", "eval": ["e*"]},
        "split_registry": str(folder / "splits.json"),
    }
    return DataOptions.model_validate({**given, **changes})


def make_files(folder: Path, *tiles: str) -> None:
    for tile in tiles:
        (folder / f"{tile}.tif").touch()
        (folder / f"{tile}.png").touch()


def splits(data: DataOptions) -> dict[str, str]:
    return {tile.tile: tile.split for tile in find_tiles(data)}


def registered(folder: Path) -> dict[str, str]:
    tiles: dict[str, str] = json.loads((folder / "splits.json").read_text())["tiles"]
    return tiles


def test_tiles_stay_where_they_were_when_the_rule_changes(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "b", "e1")
    first = splits(options(tmp_path))
    assert registered(tmp_path) == first == {"a": "train", "b": "train", "e1": "eval"}
    make_files(tmp_path, "c")
    # By this rule all that is not `e1` would be test.
    second = splits(options(tmp_path, splits={"eval": ["e1"], "test": "rest"}))
    assert second == {**first, "c": "test"}
    assert registered(tmp_path) == second


def test_shares_deal_only_new_tiles(tmp_path: Path) -> None:
    make_files(tmp_path, *(str(i) for i in range(20)), "e1")
    first = splits(options(tmp_path))
    make_files(tmp_path, *(str(i) for i in range(20, 60)))
    second = splits(options(tmp_path, splits={"train": 0.4, "test": 0.6}))
    assert {tile: second[tile] for tile in first} == first
    assert "test" in {split for tile, split in second.items() if tile not in first}


def test_a_tile_that_is_gone_comes_back_to_its_split(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "b", "e1")
    find_tiles(options(tmp_path))
    (tmp_path / "b.tif").unlink()
    assert "b" not in splits(options(tmp_path))
    make_files(tmp_path, "b")
    assert splits(options(tmp_path, splits={"eval": ["e1"], "test": "rest"}))["b"] == "train"


def test_a_list_that_contradicts_the_registry_is_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "b", "e1")
    find_tiles(options(tmp_path))
    with pytest.raises(ConfigError, match=r"tile b is in eval by data\.splits\.eval, but .* froze it in train"):
        find_tiles(options(tmp_path, splits={"train": "rest", "eval": ["e1", "b"]}))
    (tmp_path / "tiles.csv").write_text("tile,image,label,split\na,a.tif,a.png,test\ne1,e1.tif,e1.png,eval\n")
    with pytest.raises(ConfigError, match=r"tile a is in test by the tile list, but .* froze it in train"):
        find_tiles(options(tmp_path, images=None, labels=None, list="tiles.csv", splits={}))


def test_nothing_is_frozen_when_the_data_set_is_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "b")
    with pytest.raises(DataError):
        find_tiles(options(tmp_path, splits={"train": "rest"}))
    assert not (tmp_path / "splits.json").exists()


def test_an_unchanged_registry_is_not_written_again(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "e1")
    find_tiles(options(tmp_path))
    before = (tmp_path / "splits.json").stat()
    find_tiles(options(tmp_path))
    after = (tmp_path / "splits.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


BLOCKS = {"size_px": 32, "folds": 3, "eval": [0], "test": [1], "buffer_px": 4}


def in_blocks(folder: Path, **changes: object) -> DataOptions:
    return options(folder, splits={}, blocks={**BLOCKS, **changes})


def test_blocks_stay_in_their_split_when_dealt_anew(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "b")
    write_raster(tmp_path / "a.tif", np.zeros((128, 128), np.uint8))
    write_raster(tmp_path / "b.tif", np.zeros((128, 128), np.uint8))
    first = find_tiles(in_blocks(tmp_path))
    assert find_tiles(in_blocks(tmp_path, seed=7, buffer_px=4)) == first
    assert find_tiles(in_blocks(tmp_path / ".", seed=8)) == first
    (tmp_path / "splits.json").unlink()
    assert find_tiles(in_blocks(tmp_path, seed=7)) != first


def test_a_registry_of_other_blocks_is_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "a", "e1")
    write_raster(tmp_path / "a.tif", np.zeros((128, 128), np.uint8))
    write_raster(tmp_path / "e1.tif", np.zeros((128, 128), np.uint8))
    find_tiles(in_blocks(tmp_path))
    with pytest.raises(ConfigError, match=r"froze blocks of 32 pixels, data\.blocks\.size_px is 64"):
        find_tiles(in_blocks(tmp_path, size_px=64))
    with pytest.raises(ConfigError, match="froze tile a in blocks, and now it is taken as a whole"):
        find_tiles(options(tmp_path))
    (tmp_path / "splits.json").unlink()
    find_tiles(options(tmp_path))
    with pytest.raises(ConfigError, match="froze tile a as a whole, and now it is taken in blocks"):
        find_tiles(in_blocks(tmp_path))
