"""The whole main job on the data of other sensors and labels: each from files to a pushed version and a map.

What is checked is what a wrong reading would change: how many pixels of each class the evaluation counted (known by
construction), the composed bands of the records, and that the map lies where the tile does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tensorflow as tf
import yaml
from affine import Affine
from rasterio.warp import transform_geom

from tests.make_raster import ORIGIN, write_raster

pytestmark = pytest.mark.slow

SIDE = 96
TILES = {"a": "train", "b": "train", "c": "eval", "d": "test"}


def blocks(seed: int) -> np.ndarray:
    """Class 0 or 1 in blocks of 16 pixels."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 2, (6, 6)), np.ones((16, 16))).astype(np.uint8)


def place(tile: str) -> Affine:
    """Tiles lie side by side: neighbours, no overlap."""
    return ORIGIN @ Affine.translation(SIDE * "abcd".index(tile), 0)


def run(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Runs `eoseg run` and gives `summary.json`."""
    document = {
        "name": "sensor",
        "classes": [{"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]}],
        "patches": {"size": 32, "stride": 16},
        "network": {"width": 0.0625},
        "training": {
            "steps": 60, "batch_size": 4, "learning_rate": 0.01, "steps_per_epoch": 30, "class_weights": "none",
        },
        "evaluation": {"gates": [{"metric": "overall_accuracy", "at_least": 0.2}]},
        **config,
    }  # fmt: skip
    document["data"] = {
        "root": str(folder),
        "images": "{tile}.tif",
        "splits": {split: [tile for tile, of in TILES.items() if of == split] for split in ("train", "eval", "test")},
        **config["data"],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    temporary = folder / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tfx_pipeline.cli.main", "run", str(folder / "config.yaml"), "--workdir",
         str(folder / "work")],
        capture_output=True, text=True, timeout=500, check=False, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert not list(temporary.iterdir())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    summary: dict[str, Any] = json.loads((folder / "work" / "summary.json").read_text())
    assert summary["pushed"]
    (map_path,) = summary["maps"].values()
    with rasterio.open(map_path) as land_cover, rasterio.open(folder / "d.tif") as tile:
        assert (land_cover.shape, land_cover.transform) == (tile.shape, tile.transform)
        assert set(np.unique(land_cover.read(1))) <= {0, 1, 255}
    return summary


def assert_counts(summary: dict[str, Any], ids: np.ndarray, counted: np.ndarray) -> None:
    """The evaluation counted each ground pixel of the test tile once, as the class that it is."""
    figures = summary["figures"]
    assert figures["pixels"] == np.count_nonzero(counted)
    for i, name in enumerate(("roof", "lawn")):
        share = np.count_nonzero(counted & (ids == i)) / np.count_nonzero(counted)
        assert figures[f"truth_share/{name}"] == pytest.approx(share)


def test_four_bands_of_16_bits_with_geojson_labels_in_geographic_coordinates(tmp_path: Path) -> None:
    features = []
    for seed, tile in enumerate(TILES):
        ids, rng = blocks(seed), np.random.default_rng(100 + seed)
        red = np.where(ids == 0, 3000, 2000) + rng.integers(0, 400, ids.shape)
        infrared = np.where(ids == 0, 3000, 9000) + rng.integers(0, 400, ids.shape)
        pixels = np.stack([red, red, red, infrared], axis=-1).astype(np.uint16)
        write_raster(tmp_path / f"{tile}.tif", pixels, transform=place(tile))
        for row, col in np.argwhere(ids[::16, ::16] == 0) * 16:
            corners = [place(tile) @ (col + x, row + y) for x, y in ((0, 0), (16, 0), (16, 16), (0, 16), (0, 0))]
            square = {"type": "Polygon", "coordinates": [corners]}
            geometry = transform_geom("EPSG:25832", "EPSG:4326", square, precision=10)
            features.append({"type": "Feature", "geometry": geometry, "properties": {"landuse": "house"}})
    (tmp_path / "buildings.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    summary = run(
        tmp_path,
        {
            "data": {"labels": "buildings.geojson", "bands": {"r": 1, "g": 2, "b": 3, "nir": 4}},
            "labels": {
                "kind": "vectors", "attribute": "landuse", "values": {"house": "roof"}, "background": "lawn",
            },
        },
    )  # fmt: skip
    assert_counts(summary, blocks(3), np.ones((SIDE, SIDE), bool))


def test_two_band_radar_with_an_index_label_where_minus_one_is_void_without_a_nodata_tag(tmp_path: Path) -> None:
    void = np.zeros((SIDE, SIDE), bool)
    void[:20] = True
    missing = np.zeros((SIDE, SIDE), bool)
    missing[:, 90:] = True
    for seed, tile in enumerate(TILES):
        ids, rng = blocks(seed), np.random.default_rng(100 + seed)
        mean = np.where(ids == 0, 0.5, 0.02)
        speckle = [mean * rng.gamma(4, 1 / 4, ids.shape) for _ in range(2)]
        pixels = np.stack(speckle, axis=-1).astype(np.float32)
        pixels[missing] = np.nan
        write_raster(tmp_path / f"{tile}.tif", pixels, transform=place(tile))
        label = np.where(void, -1, ids.astype(np.int16) + 1).astype(np.int16)
        write_raster(tmp_path / "labels" / f"{tile}.tif", label, transform=place(tile))
    despeckled = {"despeckle": {"size": 5, "looks": 4}, "decibel": "intensity"}
    summary = run(
        tmp_path,
        {
            "data": {
                "labels": "labels/{tile}.tif",
                "bands": {"vv": {"number": 1, **despeckled}, "vh": {"number": 2, **despeckled}},
            },
            "labels": {"kind": "index", "values": {-1: "void", 1: "roof", 2: "lawn"}},
        },
    )
    assert_counts(summary, blocks(3), ~void & ~missing)


def test_a_composite_of_infrared_red_green_height_and_ndvi_fused_with_searched_settings(tmp_path: Path) -> None:
    images = {}
    for seed, tile in enumerate(TILES):
        ids, rng = blocks(seed), np.random.default_rng(100 + seed)
        images[tile] = rng.integers(90, 120, (SIDE, SIDE, 3), np.uint8)
        write_raster(tmp_path / f"{tile}.tif", images[tile], transform=place(tile))
        coarse = np.where(ids == 0, 12, 0)[::2, ::2].astype(np.float32) + 300
        write_raster(tmp_path / "dsm" / f"{tile}.tif", coarse, transform=place(tile) @ Affine.scale(2))
        label = np.array([(255, 0, 0), (0, 255, 0)], np.uint8)[ids]
        write_raster(tmp_path / "labels" / f"{tile}.tif", label, transform=place(tile))
    summary = run(
        tmp_path,
        {
            "data": {
                "labels": "labels/{tile}.tif",
                "rasters": {"dsm": "dsm/{tile}.tif"},
                "bands": {
                    "nir": 1,
                    "red": 2,
                    "green": 3,
                    "dsm": {"raster": "dsm", "number": 1, "recorded": False},
                    "height": "dsm - 300",
                    "ndvi": "(nir - red) / (nir + red)",
                },
            },
            "network": {
                "width": 0.0625,
                "fusion": "fusenet",
                "branches": {"optical": ["nir", "red", "green"], "height": ["height", "ndvi"]},
            },
            "tuning": {"trials": 2, "steps": 4, "learning_rate": [0.004, 0.005]},
            "training": {
                "steps": 60, "batch_size": 4, "learning_rate": 0.01, "schedule": "constant", "steps_per_epoch": 30,
                "class_weights": "none",
            },
        },
    )  # fmt: skip
    assert_counts(summary, blocks(3), np.ones((SIDE, SIDE), bool))
    (history,) = (tmp_path / "work" / "artifacts").glob("Trainer/model_run/*/history.json")
    rates = [epoch["learning_rate"] for epoch in json.loads(history.read_text())]
    assert len(rates) == 2
    assert all(0.004 <= rate <= 0.005 for rate in rates)  # what the search found, not what the configuration says
    infrared, red = (images["d"][..., band].astype(np.float32) for band in (0, 1))
    ndvi, height = (infrared - red) / (infrared + red), np.where(blocks(3) == 0, np.float32(12), np.float32(0))
    # Heights are interpolated from 1 m to 0.5 m: exact two pixels away from where the class changes.
    flat = np.kron(np.ones((6, 6), bool), np.pad(np.ones((12, 12), bool), 2))
    (file,) = (tmp_path / "work" / "artifacts").glob("TileExampleGen/examples/*/Split-test/data_*")
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    assert len(records) == 9  # eval_stride is the size: 3 x 3 patches of 32
    for record in records:
        feature = tf.train.Example.FromString(record).features.feature
        row, col = (feature[key].int64_list.value[0] for key in ("row", "col"))
        image = np.frombuffer(feature["image"].bytes_list.value[0], np.float32).reshape(32, 32, 5)
        at = slice(row, row + 32), slice(col, col + 32)
        np.testing.assert_array_equal(image[..., :3], images["d"][at])
        np.testing.assert_allclose(image[..., 3][flat[at]], height[at][flat[at]], atol=1e-4)
        np.testing.assert_allclose(image[..., 4], ndvi[at], rtol=1e-5, atol=1e-7)
