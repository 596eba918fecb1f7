"""Tiles listed in CSV and Parquet: read alike, and every mistake named with its row."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from components.errors import ConfigError, MissingFileError
from tfx_pipeline.tile_lists import read_tile_list
from tfx_pipeline.tiles import DataOptions, find_tiles

HEADER = "tile,image,label,split,date,ignore,raster:dsm"


def write_csv(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def write_parquet(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pyarrow.table({name.replace("_", ":"): values for name, values in columns.items()}), path)
    return path


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    from_csv = read_tile_list(
        write_csv(
            tmp_path / "t.csv",
            '1,"a, b.tif",a.png,train,2020-07-31,,a dsm.tif',
            "2,c.tif,c.png,eval,,c edge.png,",
        )
    )
    from_parquet = read_tile_list(
        write_parquet(
            tmp_path / "t.parquet",
            tile=[1, 2],
            image=["a, b.tif", "c.tif"],
            label=["a.png", "c.png"],
            split=["train", "eval"],
            date=[datetime.date(2020, 7, 31), None],
            ignore=[None, "c edge.png"],
            raster_dsm=["a dsm.tif", None],
            cloud_cover=[0.5, 0.1],
        )
    )
    assert from_csv == from_parquet
    first, second = from_csv
    assert (first.tile, first.image, first.date, first.rasters) == ("1", "a, b.tif", "2020-07-31", {"dsm": "a dsm.tif"})
    assert (second.split, second.ignore, second.rasters) == ("eval", "c edge.png", {})


def test_masks_stand_for_a_label(tmp_path: Path) -> None:
    header = "tile,image,mask:roof,mask:lawn"
    (tile,) = read_tile_list(write_csv(tmp_path / "t.csv", "a,a.tif,roof.png,lawn.png", header=header))
    assert tile.masks == {"roof": "roof.png", "lawn": "lawn.png"}
    assert tile.split is None


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufefftile,image,label\n\na,a.tif,ä.png\n\n".encode())
    assert [tile.label for tile in read_tile_list(path)] == ["ä.png"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_says_what_separates_cells(separator: str, tmp_path: Path) -> None:
    """The other separators may stand in cells."""
    others = "".join({",", ";", "\t"} - {separator})
    row = ["1", f"a{others}b.tif", "a.png", f"d{others}.tif"]
    path = write_csv(
        tmp_path / "t.csv", separator.join(row), header=separator.join(["tile", "image", "label", "raster:dsm"])
    )
    (tile,) = read_tile_list(path)
    assert [tile.tile, tile.image, tile.label, tile.rasters["dsm"]] == row


def test_a_header_of_one_cell_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its header is one single cell"):
        read_tile_list(write_csv(tmp_path / "t.csv", "a|a.tif|a.png", header="tile|image|label"))


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("tile|image|label", "a|a.tif|a.png", r"has no column tile; its columns are tile\|image\|label"),
        ("tile;image;label", "a,a.tif,a.png", "(?s)line 2: not as many cells .*3 cells, separated by semicolons"),
        ("tile,image", "a,a.tif", "has no column label"),
        ("tile,image,label,splt", "a,a.tif,a.png,train", "a column 'splt', which looks like 'split'"),
        (HEADER, "a,a.tif,a.png,val,,,", "(?s)line 2 cannot be used.*split: Input should be 'train', 'eval' or 'test'"),
        (HEADER, "a,a.tif,,train,,,", "neither of label and masks"),
        (HEADER, ",a.tif,a.png,train,,,", "(?s)line 2 .*tile: Field required"),
        (HEADER, "a,a.tif,a.png,train,July,,", "'July' is no date"),
        (HEADER, "a,a.tif,a.png", "line 2: not as many cells as the header has"),
        (HEADER, 'a,"a.tif,a.png,train,,,', "cannot be read as CSV"),
        (HEADER, "", "has no row"),
    ],
)
def test_mistakes_are_named_with_file_and_row(header: str, line: str, message: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "tiles.csv", line, header=header)
    with pytest.raises(ConfigError, match=message) as caught:
        read_tile_list(path)
    assert str(path) in caught.value.problem
    assert caught.value.remedy


def test_files_that_are_not_what_they_are_called(tmp_path: Path) -> None:
    broken = tmp_path / "t.parquet"
    broken.write_text("tile,image\n")
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        read_tile_list(broken)
    with pytest.raises(MissingFileError, match=r"none\.csv does not exist"):
        read_tile_list(tmp_path / "none.csv")


def list_options(**changes: object) -> DataOptions:
    return DataOptions.model_validate({"bands": {"red": 1}, **changes})


@pytest.mark.parametrize("with_root", [True, False])
def test_paths_count_from_the_root_or_else_from_the_list(with_root: bool, tmp_path: Path) -> None:
    for name in ("a.tif", "a.png"):
        (tmp_path / name).touch()
    write_csv(tmp_path / "t.csv", "a,a.tif,a.png,train,,,", f"b,a.tif,{tmp_path}/a.png,eval,,,")
    where = {"root": str(tmp_path), "list": "t.csv"} if with_root else {"list": str(tmp_path / "t.csv")}
    found = find_tiles(list_options(**where))
    assert [(tile.tile, tile.image, tile.label) for tile in found] == [
        ("a", str(tmp_path / "a.tif"), str(tmp_path / "a.png")),
        ("b", str(tmp_path / "a.tif"), str(tmp_path / "a.png")),
    ]


def test_a_list_without_splits_is_dealt_by_the_configuration(tmp_path: Path) -> None:
    for name in ("a.tif", "a.png"):
        (tmp_path / name).touch()
    rows = ["a,a.tif,a.png,,,,", "b,a.tif,a.png,,,,", "c,a.tif,a.png,test,,,"]
    write_csv(tmp_path / "t.csv", *rows)
    found = find_tiles(list_options(root=str(tmp_path), list="t.csv", splits={"train": "rest", "eval": ["b"]}))
    assert [(tile.tile, tile.split) for tile in found] == [("a", "train"), ("b", "eval"), ("c", "test")]
    with pytest.raises(
        ConfigError, match=r"tile c is in the splits eval and test \(by data\.splits\.eval and the tile list"
    ):
        find_tiles(list_options(root=str(tmp_path), list="t.csv", splits={"train": "rest", "eval": ["c"]}))
    with pytest.raises(ConfigError, match=r"2 tile\(s\) are in no split: a, b"):
        find_tiles(list_options(root=str(tmp_path), list="t.csv"))
    with pytest.raises(ConfigError, match=r"tile c is listed in test, but data\.blocks cuts it"):
        find_tiles(
            list_options(root=str(tmp_path), list="t.csv", blocks={"size_px": 64, "eval": [0]}, exclude=["a", "b"])
        )


def test_rasters_of_a_list_that_no_band_is_read_from_are_passed_over_aloud(tmp_path: Path) -> None:
    """The list is the archive's; what it knows beyond this configuration's bands need not even be there."""
    for name in ("a.tif", "a.png", "dsm.tif"):
        (tmp_path / name).touch()
    rows = ["a,a.tif,a.png,train,,,dsm.tif,none.tif", "b,a.tif,a.png,eval,,,dsm.tif,"]
    write_csv(tmp_path / "t.csv", *rows, header=f"{HEADER},raster:sar")
    bands = {"red": 1, "height": {"raster": "dsm", "number": 1}}
    said: list[str] = []
    found = find_tiles(list_options(root=str(tmp_path), list="t.csv", bands=bands), said.append)
    assert [tile.rasters for tile in found] == [{"dsm": str(tmp_path / "dsm.tif")}] * 2
    assert said == ["t.csv: no band is read from raster:sar; passed over"]


def test_a_tile_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", "a,a.tif,a.png,train,,,", "a,b.tif,b.png,eval,,,")
    with pytest.raises(ConfigError, match="tile a is listed twice"):
        find_tiles(list_options(root=str(tmp_path), list="t.csv"))
