"""A finished class map as `eoseg predict` leaves it, of any numbers."""

import json
import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from components.classes import VOID_ID, ClassTable, LandClass
from tests.make_raster import ORIGIN, write_raster

TABLE = ClassTable(
    classes=(
        LandClass(name="water", color=(0, 0, 255)),
        LandClass(name="low vegetation, wet", color=(0, 128, 0)),
        LandClass(name="Gebäude", color=(200, 30, 1)),
    )
)


def write_class_map(
    path: Path, class_ids: NDArray[np.uint8], *, crs: str | None = "EPSG:25832", transform: Affine = ORIGIN
) -> Path:
    write_raster(
        path,
        class_ids.astype(np.uint8),
        crs=crs,
        transform=transform,
        nodata=VOID_ID,
        palette=TABLE.colors,
        creation={"tiled": True, "blockxsize": 16, "blockysize": 16},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(CLASS_NAMES=json.dumps(TABLE.names))
    return path


def patches(height: int = 60, width: int = 50, seed: int = 0) -> NDArray[np.uint8]:
    """Class numbers in rectangles over one another, some of them nodata."""
    rng = np.random.default_rng(seed)
    class_ids = np.zeros((height, width), np.uint8)
    for _ in range(40):
        row, col = rng.integers(0, height), rng.integers(0, width)
        rows, cols = rng.integers(1, 15, 2)
        class_ids[row : row + rows, col : col + cols] = rng.choice([0, 1, 2, VOID_ID])
    return class_ids
