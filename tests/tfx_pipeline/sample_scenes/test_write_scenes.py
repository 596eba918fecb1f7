"""Tiles on disk: where, under which names, and when they are left alone."""

import argparse
import json
import os
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from pydantic import ValidationError

from components.errors import ConfigError
from tfx_pipeline.cli import sample_scenes as verb
from tfx_pipeline.sample_scenes import write_scenes as module
from tfx_pipeline.sample_scenes.painting import CLASS_COLORS
from tfx_pipeline.sample_scenes.scene import GENERATOR_VERSION, generate_scene
from tfx_pipeline.sample_scenes.write_scenes import scene_options, tile_paths, write_scenes


class Small(TypedDict):
    size_px: int
    ground_sample_distance_m: float


SMALL: Small = {"size_px": 40, "ground_sample_distance_m": 0.5}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and modification time of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def age(folder: Path) -> None:
    """Sets all times back, so that a rewrite would show."""
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))


def test_tiles_lie_in_the_vaihingen_layout_and_hold_the_scene(tmp_path: Path) -> None:
    write_scenes(tmp_path, [3], seed=1, **SMALL)
    assert sorted(snapshot(tmp_path)) == [
        "dsm/dsm_area3.tif",
        "labels/label_area3.tif",
        "rgb/rgb_area3.tif",
        "scenes.json",
        "top/top_mosaic_area3.tif",
    ]
    scene = generate_scene(scene_options(3, seed=1, **SMALL))
    expected: dict[str, NDArray[Any]] = {
        "top": scene.irrg,
        "rgb": scene.rgb,
        "dsm": scene.surface_height_m[:, :, None],
        "labels": np.array(CLASS_COLORS, np.uint8)[scene.class_ids],
    }
    for name, path in tile_paths(tmp_path, 3).items():
        with rasterio.open(path) as raster:
            np.testing.assert_array_equal(raster.read().transpose(1, 2, 0), expected[name])
            assert raster.transform == scene.transform
            assert raster.crs == scene.crs
            assert raster.compression.value.lower() == "lzw"
            assert raster.profile["tiled"]
            assert raster.dtypes[0] == ("float32" if name == "dsm" else "uint8")


def test_tiles_of_any_size_lie_apart_on_the_ground() -> None:
    for size_px, distance_m in ((512, 0.5), (6000, 1.0)):
        corners = []
        for tile in (0, 1, 49, 50, 51, module.MAX_TILE):
            options = scene_options(tile, seed=1, size_px=size_px, ground_sample_distance_m=distance_m)
            corners.append((options.west_m, options.north_m))
        for i, one in enumerate(corners):
            for other in corners[:i]:
                assert max(abs(one[0] - other[0]), abs(one[1] - other[1])) > size_px * distance_m


def test_what_is_there_keeps_its_bytes_and_times(tmp_path: Path) -> None:
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    age(tmp_path)
    before = snapshot(tmp_path)
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    assert snapshot(tmp_path) == before
    write_scenes(tmp_path, [1, 2], seed=1, **SMALL)
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before if name != "scenes.json"} == {
        name: content for name, content in before.items() if name != "scenes.json"
    }
    assert "top/top_mosaic_area2.tif" in after


def test_other_options_a_lost_file_or_another_generator_write_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    first = snapshot(tmp_path)
    write_scenes(tmp_path, [1], seed=2, **SMALL)
    assert snapshot(tmp_path)["top/top_mosaic_area1.tif"][0] != first["top/top_mosaic_area1.tif"][0]
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    tile_paths(tmp_path, 1)["dsm"].unlink()
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    assert {name: content for name, (content, _) in snapshot(tmp_path).items()} == {
        name: content for name, (content, _) in first.items()
    }
    age(tmp_path)
    monkeypatch.setattr(module, "GENERATOR_VERSION", GENERATOR_VERSION + 1)
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    assert tile_paths(tmp_path, 1)["top"].stat().st_mtime > 1_000_000


def test_damaged_manifest_counts_as_none(tmp_path: Path) -> None:
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    whole = (tmp_path / module.MANIFEST).read_text()
    (tmp_path / module.MANIFEST).write_text(whole[:30])
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    assert (tmp_path / module.MANIFEST).read_text() == whole


def test_interrupted_run_leaves_no_half_file_and_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    write = module._write_geotiff

    def fail_at_heights(path: Path, *arguments: object) -> None:
        if path.parent.name == "dsm":
            raise KeyboardInterrupt
        write(path, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_geotiff", fail_at_heights)
        with pytest.raises(KeyboardInterrupt):
            write_scenes(tmp_path, [1], seed=2, **SMALL)
    # Now the image is of seed 2, the heights are of seed 1: neither run may take that for its own.
    assert json.loads((tmp_path / module.MANIFEST).read_text())["scenes"] == {}
    assert not list(tmp_path.rglob("*.partial"))
    write_scenes(tmp_path, [1], seed=1, **SMALL)
    with rasterio.open(tile_paths(tmp_path, 1)["top"]) as raster:
        expected = generate_scene(scene_options(1, seed=1, **SMALL)).irrg
        np.testing.assert_array_equal(raster.read().transpose(1, 2, 0), expected)


@pytest.mark.parametrize("tiles", [[1, 1], [-1], [module.MAX_TILE + 1]])
def test_tile_numbers_that_cannot_be_are_refused(tmp_path: Path, tiles: list[int]) -> None:
    with pytest.raises(ConfigError):
        write_scenes(tmp_path / "none", tiles, seed=1, **SMALL)
    assert not (tmp_path / "none").exists()


def test_sizes_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        write_scenes(tmp_path / "none", [1], seed=1, size_px=3, ground_sample_distance_m=0.5)
    assert not (tmp_path / "none").exists()


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.register(parser.add_subparsers())
    return parser.parse_args(["sample-scenes", *words])


def test_verb_has_the_promised_defaults() -> None:
    arguments = parse("somewhere")
    assert (arguments.tiles, arguments.size, arguments.gsd, arguments.seed) == (10, 512, 0.5, 1)
    assert arguments.handler is verb.run


def test_verb_writes_numbered_tiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parse(str(tmp_path), "--tiles", "2", "--size", "32", "--gsd", "0.2", "--seed", "5")
    assert arguments.handler(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "top").iterdir()) == [
        "top_mosaic_area1.tif",
        "top_mosaic_area2.tif",
    ]
    assert "2 scenes of 32 x 32 pixels" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--tiles", "0"), ("--size", "4"), ("--gsd", "9"), ("--seed", "-1")])
def test_verb_names_what_it_refuses(tmp_path: Path, words: tuple[str, str]) -> None:
    arguments = parse(str(tmp_path), *words)
    with pytest.raises(ConfigError, match=words[1]):
        arguments.handler(arguments)
