"""`eoseg convert-labels` from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from tests.make_raster import gradient, write_raster
from tfx_pipeline.cli.main import main

GREY = (155, 155, 155)
TABLE = ClassTable(
    classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))),
    void=(LandClass(name="unlabelled", color=GREY),),
)
IDS = {"a 1": np.array([[0, 1], [1, VOID_ID]], np.uint8), "b 1": np.array([[1, 1], [0, 0]], np.uint8)}


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., str]:
    """Two tiles with colour labels, and a configuration of them."""
    for tile, ids in IDS.items():
        write_raster(tmp_path / "images" / f"{tile}.tif", gradient(2, 2))
        write_raster(tmp_path / "masks" / f"{tile}.tif", encode_colors(ids, TABLE, GREY))

    def make(name: str = "colors.yaml", **changes: Any) -> str:
        config = {
            "name": "tiny",
            "data": {
                "root": str(tmp_path),
                "images": "images/{tile}.tif",
                "labels": "masks/{tile}.tif",
                "bands": {"red": 1, "green": 2, "blue": 3},
                "splits": {"train": ["a 1"], "eval": ["b 1"]},
            },
            "classes": [entry.model_dump(include={"name", "color"}) for entry in TABLE.classes],
            "void": [entry.model_dump(include={"name", "color"}) for entry in TABLE.void],
            "patches": {"size": 32},
        }
        config["data"] |= changes.pop("data", {})
        (tmp_path / name).write_text(yaml.safe_dump(config | changes))
        return str(tmp_path / name)

    return make


def pixels_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_all_tiles_there_and_back(
    make_config: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, back = tmp_path / "index", tmp_path / "back"
    assert main(["convert-labels", make_config(), str(index), "--to", "index"]) == 0
    assert "labels: {kind: index, first: 0}" in capsys.readouterr().out
    for tile, ids in IDS.items():
        np.testing.assert_array_equal(pixels_of(index / f"{tile}.tif")[0], ids)
    config = make_config("index.yaml", data={"labels": "index/{tile}.tif"}, labels={"kind": "index", "first": 0})
    assert main(["convert-labels", config, str(back), "--to", "colors"]) == 0
    for tile in IDS:
        np.testing.assert_array_equal(pixels_of(back / f"{tile}.tif"), pixels_of(tmp_path / "masks" / f"{tile}.tif"))


def test_one_file(make_config: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new folder" / "a.tif"
    label = str(tmp_path / "masks" / "a 1.tif")
    assert main(["convert-labels", make_config(), "--to", "index", "--in", label, str(out)]) == 0
    np.testing.assert_array_equal(pixels_of(out)[0], IDS["a 1"])
    assert "3 pixels of classes, 1 void" in capsys.readouterr().out


def test_unknown_pixels_end_with_exit_code_2_unless_allowed(
    make_config: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_raster(tmp_path / "masks" / "a 1.tif", np.full((2, 2, 3), 7, np.uint8))
    arguments = ["convert-labels", make_config(), "--to", "index", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "4 pixels that mean no class: 7,7,7 (4 px)" in capsys.readouterr().err
    assert main([*arguments, "--unknown-as-void"]) == 0
    assert "0 pixels of classes, 4 void, 4 of them unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/masks"], "one of the files that are read"),
        (["--in", "{folder}/masks/a 1.tif", "{folder}/masks/a 1.tif"], "one of the files that are read"),
        (["--in", "{folder}/none.tif", "{folder}/x.tif"], "does not exist"),
    ],
)
def test_what_is_read_is_never_replaced_and_what_is_missing_is_said(
    make_config: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    before = pixels_of(tmp_path / "masks" / "a 1.tif")
    assert main(["convert-labels", make_config(), "--to", "index", *arguments]) == 2
    assert message in capsys.readouterr().err
    np.testing.assert_array_equal(pixels_of(tmp_path / "masks" / "a 1.tif"), before)


def test_one_file_of_vectors_is_refused_with_the_way_that_works(
    make_config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config("vectors.yaml", labels={"kind": "vectors", "attribute": "class"})
    assert main(["convert-labels", config, "--to", "index", "--in", "a.gpkg", "b.tif"]) == 2
    assert "labels.kind: vectors" in capsys.readouterr().err
