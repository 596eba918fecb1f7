"""Tiles in an S3 store: found, read and fingerprinted as the same tiles in a folder are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import MissingFileError
from components.geo.geotiff import open_raster
from components.geo.image import open_image
from components.geo.window import Window
from components.records.fingerprint import content_digest, files_fingerprint
from tests.make_raster import gradient, write_raster
from tests.s3_server import s3_server
from tfx_pipeline.tiles import DataOptions, find_tiles


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """Two tiles in a folder, and the same under `data/` in a bucket."""
    folder = tmp_path_factory.mktemp("tiles")
    for tile, size in (("1", 40), ("2", 50)):
        write_raster(folder / f"Tile {tile}" / "rgb.tif", gradient(size, size))
        write_raster(folder / f"Tile {tile}" / "truth.tif", gradient(size, size)[::-1])
    with s3_server("tiles") as client:
        for file in folder.rglob("*.tif"):
            client.upload_file(str(file), "tiles", f"data/{file.relative_to(folder).as_posix()}")
        yield client, folder


def options(root: str, **changes: object) -> DataOptions:
    given = {
        "root": root,
        "images": "Tile {tile}/rgb.tif",
        "labels": "Tile {tile}/truth.tif",
        "bands": {"red": 1, "green": 2},
        "splits": {"train": "rest", "eval": ["2"]},
    }
    return DataOptions.model_validate({**given, **changes})


def test_patterns_find_the_same_tiles_and_pixels_in_a_bucket(store: tuple[Any, Path]) -> None:
    _, folder = store
    here, there = find_tiles(options(str(folder))), find_tiles(options("s3://tiles/data"))
    assert [(tile.tile, tile.split) for tile in there] == [(tile.tile, tile.split) for tile in here]
    assert there[0].image == "s3://tiles/data/Tile 1/rgb.tif"
    bands = options(".").band_set
    for local, remote in zip(here, there, strict=True):
        with open_image(local.all_rasters, bands) as a, open_image(remote.all_rasters, bands) as b:
            assert a.grid == b.grid
            whole = Window(0, 0, a.height, a.width)
            np.testing.assert_array_equal(a.read(whole).pixels, b.read(whole).pixels)
        with open_raster(local.label) as c, open_raster(remote.label) as d:
            np.testing.assert_array_equal(c.read(whole).pixels, d.read(whole).pixels)


def test_a_local_list_may_name_objects(store: tuple[Any, Path], tmp_path: Path) -> None:
    rows = [
        "tile,image,label,split",
        "a,data/Tile 1/rgb.tif,data/Tile 1/truth.tif,train",
        f"b,s3://tiles/data/Tile 2/rgb.tif,{store[1]}/Tile 2/truth.tif,eval",
    ]
    (tmp_path / "tiles.csv").write_text("\n".join(rows))
    listed = options("s3://tiles", images=None, labels=None, splits={}, list=str(tmp_path / "tiles.csv"))
    assert [(tile.image, tile.label) for tile in find_tiles(listed)] == [
        ("s3://tiles/data/Tile 1/rgb.tif", "s3://tiles/data/Tile 1/truth.tif"),
        ("s3://tiles/data/Tile 2/rgb.tif", f"{store[1]}/Tile 2/truth.tif"),
    ]


def test_blocks_are_cut_from_an_object(store: tuple[Any, Path]) -> None:
    blocks = {"size_px": 20, "folds": 2, "eval": [1]}
    found = find_tiles(options("s3://tiles/data", splits={}, blocks=blocks, exclude=["2"]))
    assert sorted(tile.tile for tile in found) == ["1/r0c0", "1/r0c1", "1/r1c0", "1/r1c1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": "s3://tiles/nothing"}, "holds no files"),
        ({"images": "{tile}.jpg", "labels": "{tile}.png"}, "no image below s3://tiles/data matches"),
        ({"labels": "Tile {tile}/label.tif"}, "tile 1 has no label: s3://tiles/data/Tile 1/label.tif does not exist"),
    ],
)
def test_what_is_not_in_the_bucket_is_named(changes: dict[str, object], message: str, store: tuple[Any, Path]) -> None:
    with pytest.raises(MissingFileError, match=message):
        find_tiles(options("s3://tiles/data").model_copy(update=changes))


def test_a_changed_object_changes_the_fingerprint(store: tuple[Any, Path], tmp_path: Path) -> None:
    client, _ = store
    memory = tmp_path / "memory.json"
    client.put_object(Bucket="tiles", Key="changing/a.tif", Body=b"one")
    files = ["s3://tiles/changing/a.tif"]
    before = files_fingerprint(files, memory)
    assert files_fingerprint(files, memory) == before
    client.put_object(Bucket="tiles", Key="changing/a.tif", Body=b"two")
    changed = files_fingerprint(files, memory)
    assert changed != before
    client.put_object(Bucket="tiles", Key="changing/a.tif.aux.xml", Body=b"<PAMDataset/>")
    assert files_fingerprint(files, memory) != changed


def test_an_object_that_is_gone_has_no_fingerprint(store: tuple[Any, Path]) -> None:
    with pytest.raises(MissingFileError, match=r"s3://tiles/gone\.tif does not exist"):
        files_fingerprint(["s3://tiles/gone.tif"])


def test_the_digest_of_an_object_is_that_of_its_bytes(store: tuple[Any, Path]) -> None:
    local = store[1] / "Tile 1" / "rgb.tif"
    assert content_digest("s3://tiles/data/Tile 1/rgb.tif") == content_digest(local)
