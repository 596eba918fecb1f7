"""Memory does not grow with a tile: one 40 000 pixels wide is predicted in less than 1.5 GB, all in all."""

import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 40_000, 1_100

CHILD = """
import sys
from concurrent.futures import Future
from pathlib import Path
import numpy as np
from serving.predict_map import MapOutputs, predict_map
from tests.serving.fake_client import FakeClient, contract_of

class Instant(FakeClient):
    scores = np.random.default_rng(0).integers(1, 255, (4, 256, 256, 3), np.uint8)

    def submit_scores(self, patches):
        done = Future()
        done.set_result(self.scores[:len(patches)])
        return done

folder = Path(sys.argv[1])
outputs = MapOutputs(confidence=folder / "confidence.tif")
result = predict_map(folder / "tile.tif", folder / "map.tif", Instant(contract_of(256, bands=1)), outputs=outputs)
assert result.pixels == 44_000_000
# Not getrusage: its peak is handed on from the process that started this one.
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
def test_a_tile_40_000_pixels_wide_takes_less_than_one_and_a_half_gigabytes(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "tile.tif",
        "w",
        driver="GTiff",
        height=HEIGHT,
        width=WIDTH,
        count=1,
        dtype="uint8",
        tiled=True,
        compress="deflate",
        sparse_ok=True,
        crs="EPSG:25832",
        transform=rasterio.Affine(0.1, 0, 500_000, 0, -0.1, 5_500_000),
    ):
        pass
    found = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(found.stdout) < 1_500_000  # kilobytes
