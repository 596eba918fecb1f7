"""Shared by the component tests: a data set of two tiny tiles."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from components.classes import ClassTable, LandClass, encode_colors
from components.tile_source import TileList, TileSource
from tests.make_raster import write_raster


@pytest.fixture(scope="session")
def table() -> ClassTable:
    return ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))


@pytest.fixture
def make_tiles(tmp_path: Path, table: ClassTable) -> Callable[..., TileList]:
    """Two tiles, train and eval, whose label follows from the pixels: bright is roof."""

    def make(side: int = 64) -> TileList:
        sources = []
        for i, split in enumerate(("train", "eval")):
            rng = np.random.default_rng(i)
            # blocks of 8 pixels, so that a network could learn them
            ids = np.kron(rng.integers(0, 2, (side // 8, side // 8)), np.ones((8, 8))).astype(np.uint8)
            pixels = np.where(ids == 0, 180, 60)[..., None] + rng.integers(0, 40, (side, side, 3))
            image = write_raster(tmp_path / "tiles" / f"{split}.tif", pixels.astype(np.uint8))
            label = write_raster(tmp_path / "tiles" / f"{split}_label.tif", encode_colors(ids, table))
            sources.append(TileSource(tile=f"{split} 1", image=str(image), label=str(label), split=split))
        return TileList(tiles=tuple(sources))

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
