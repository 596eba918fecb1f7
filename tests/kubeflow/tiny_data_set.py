"""A data set of four tiles of 64 pixels, and a configuration that a run of seconds comes out of."""

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from components.classes import ClassTable, LandClass, encode_colors
from tests.make_raster import ORIGIN, write_raster

TILES = ("a", "b", "c", "d")
SIZE_PX = 64
CLASSES = ({"name": "roof", "color": [255, 0, 0]}, {"name": "lawn", "color": [0, 255, 0]})


def write_tiles(folder: Path, first_seed: int = 0) -> None:
    """Bright blocks are roof, dark ones lawn; each tile is on ground of its own."""
    table = ClassTable(classes=tuple(LandClass.model_validate(one) for one in CLASSES))
    for number, tile in enumerate(TILES):
        rng = np.random.default_rng(first_seed + number)
        ids = np.kron(rng.integers(0, 2, (4, 4)), np.ones((16, 16))).astype(np.uint8)
        pixels = (np.where(ids == 0, 180, 60)[..., None] + rng.integers(0, 40, (*ids.shape, 3))).astype(np.uint8)
        place = ORIGIN @ Affine.translation(200 * number, 0)
        write_raster(folder / f"{tile} image.tif", pixels, transform=place)
        write_raster(folder / f"{tile} label.tif", encode_colors(ids, table), transform=place)


def tiny_config(tiles: Path, **kubeflow: Any) -> dict[str, Any]:
    """The configuration as a file holds it."""
    return {
        "name": "tiny",
        "data": {
            "root": str(tiles),
            "images": "{tile} image.tif",
            "labels": "{tile} label.tif",
            "bands": {"red": 1, "green": 2, "blue": 3},
            "splits": {"train": ["a", "b"], "eval": ["c"], "test": ["d"]},
        },
        "classes": list(CLASSES),
        "patches": {"size": 32, "stride": 32},
        "network": {"width": 0.0625},
        "training": {"steps": 30, "batch_size": 4, "learning_rate": 0.01, "class_weights": "none"},
        "evaluation": {
            "gates": [
                {"metric": "overall_accuracy", "at_least": 0.0},
                {"metric": "kappa", "view": "tiles", "at_least": -1.0},
            ]
        },
        "kubeflow": kubeflow,
    }
