"""What is taken out of a pipeline before it is compiled, and that a run puts the same back."""

import json
from pathlib import Path
from typing import Any

import pytest
from eoseg_kubeflow.marks import mark
from eoseg_kubeflow.run_time import FINGERPRINT_MARK, ROOT_MARK, filled

from components.tile_source import TileList, TileSource
from tests.kubeflow.tiny_data_set import tiny_config
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places


def config_at(root: str, **changes: Any) -> Config:
    document = {**tiny_config(Path("/")), **changes}
    return Config.model_validate({**document, "data": {**document["data"], "root": root}})


def tile(name: str, image: str, **more: Any) -> TileSource:
    return TileSource(tile=name, image=image, label=image.replace("image", "label"), split="train", **more)


def places(folder: Path) -> Places:
    return Places(folder, folder / "served")


@pytest.mark.parametrize("root", ["/data/tiles", "s3://bucket/tiles", "/vsizip//data/all.zip/tiles"])
def test_what_a_run_fills_in_with_the_same_folder_is_what_was_there(root: str, tmp_path: Path) -> None:
    tiles = (
        tile("tiles/a", f"{root}/tiles/a image.tif", rasters={"dsm": f"{root}/dsm.tif"}),
        tile("b", "/elsewhere/b image.tif"),
    )
    marked = mark(config_at(root), DataSet(tiles, "f00", "uint8"), places(tmp_path))
    assert marked.root == root
    text = TileList(tiles=marked.data.tiles).model_dump_json()
    assert root not in text.replace(ROOT_MARK, "")
    assert marked.data.fingerprint == FINGERPRINT_MARK
    own = filled({"tiles": text, "files": json.dumps(marked.files), "data_root": root, "data_fingerprint": "f00"})
    assert TileList.model_validate_json(own["tiles"]).tiles == tiles
    assert json.loads(own["files"]) == list(dict.fromkeys(path for one in tiles for path in one.files))


def test_a_folder_that_is_named_from_here_is_one_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    marked = mark(config_at("."), DataSet((tile("a", "a image.tif"),), "", "uint8"), places(tmp_path))
    assert marked.root == str(tmp_path)
    assert marked.data.tiles[0].image == f"{ROOT_MARK}/a image.tif"
    assert marked.data.tiles[0].tile == "a"


def test_tiles_that_lie_elsewhere_leave_no_folder_to_choose(tmp_path: Path) -> None:
    marked = mark(config_at("/data"), DataSet((tile("a", "/other/image.tif"),), "", "uint8"), places(tmp_path))
    assert marked.root is None
    assert marked.files == ("/other/image.tif", "/other/label.tif")


def test_files_of_the_labels_and_of_the_evaluation_move_along(tmp_path: Path) -> None:
    config = config_at(
        "/data",
        labels={"kind": "vectors", "attribute": "class", "coordinates": "unit", "grid_sizes": "sizes.csv"},
        evaluation={"zones": {"file": "/data/zones.gpkg", "attribute": "name"}},
    )
    marked = mark(config, DataSet((tile("a", "/data/a image.tif"),), "", "uint8"), places(tmp_path))
    assert marked.files[-2:] == (f"{ROOT_MARK}/sizes.csv", f"{ROOT_MARK}/zones.gpkg")
    assert marked.config.zones is not None
    assert marked.config.zones.file == f"{ROOT_MARK}/zones.gpkg"
    assert marked.config.label_options.grid_sizes == f"{ROOT_MARK}/sizes.csv"  # type: ignore[union-attr]
