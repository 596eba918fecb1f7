"""What `eoseg predict --monitor` costs: maps with and without it, one after the other, and their processor time.

The scores are there at once, so that all that is measured is the client and the writer: what a model server costs comes
on top of both. The headline `ratio` is the monitored maps' processor seconds over the others' (medians; aim: at most
1.05). `seconds_a_gigapixel` is the difference; hold it against `eoseg bench predict` for the share of a whole
prediction. The last line is one JSON object.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.arguments import positive_int
from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from serving.client_options import ClientOptions
from serving.drift.map_monitor import MapMonitor
from serving.predict_map import predict_map

CLASSES, RGB, PATCH = 6, 3, 256


class CannedClient:
    """What `predict_map` needs of a client; answers at once."""

    model_name = "bench"
    version = 1
    options = ClientOptions(concurrency=1, patches_per_request=4)

    def __init__(self, dtype: Any) -> None:
        table = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(CLASSES)))
        self._contract = ModelContract(patch_size=PATCH, bands=("red", "green", "blue"), dtype=dtype, table=table)
        self._scores = np.random.default_rng(0).integers(1, 255, (4, PATCH, PATCH, CLASSES), np.uint8)

    def contract(self) -> ModelContract:
        """Six classes of three bands."""
        return self._contract

    def submit_scores(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """The same noise for all."""
        done: Future[NDArray[np.uint8]] = Future()
        done.set_result(self._scores[: len(patches)])
        return done


def write_scene(path: Path, side: int, dtype: str) -> None:
    """Smooth noise."""
    rng = np.random.default_rng(0)
    block = np.kron(rng.integers(1, 255, (64, 64, RGB), np.uint8), np.ones((16, 16, 1), np.uint8))
    block += rng.integers(0, 5, block.shape, np.uint8)
    times = -(-side // len(block))
    pixels = np.tile(block, (times, times, 1))[:side, :side].astype(dtype)
    place = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.5, 0, 0, 0, -0.5, 0)}
    profile = {"driver": "GTiff", "height": side, "width": side, "count": RGB, "dtype": dtype, "tiled": True}
    with rasterio.open(path, "w", compress="deflate", **profile, **place) as dataset:
        dataset.write(pixels.transpose(2, 0, 1))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=positive_int, default=3000, help="pixels (default: %(default)s)")
    parser.add_argument("--rounds", type=positive_int, default=5, help="maps of each kind (default: %(default)s)")
    parser.add_argument("--dtype", choices=("uint8", "uint16", "float32"), default="uint8")
    arguments = parser.parse_args()
    client: Any = CannedClient(arguments.dtype)
    taken: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scene(folder / "tile.tif", arguments.side, arguments.dtype)
        for _ in range(arguments.rounds + 1):
            for is_monitored in (False, True):
                monitor = MapMonitor(folder / "seen") if is_monitored else None
                started = time.process_time()
                predict_map(folder / "tile.tif", folder / "map.tif", client, monitor=monitor)
                taken[is_monitored].append(time.process_time() - started)
        (kept,) = (folder / "seen").iterdir()
        size = kept.stat().st_size
    plain, monitored = (statistics.median(taken[is_monitored][1:]) for is_monitored in (False, True))
    print(
        json.dumps(
            {
                "ratio": round(monitored / plain, 3),
                "seconds_plain": round(plain, 3),
                "seconds_monitored": round(monitored, 3),
                "seconds_a_gigapixel": round((monitored - plain) / arguments.side**2 * 1e9, 2),
                "file_bytes": size,
                "side": arguments.side,
                "dtype": arguments.dtype,
            }
        )
    )


if __name__ == "__main__":
    main()
