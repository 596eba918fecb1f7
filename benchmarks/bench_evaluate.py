"""The evaluation of a whole tile against the bare forward passes on the same pixels.

A tile with its label is made: noise, with blocks of classes as truth. A slim SegNet without training predicts it, whose
times are those of a trained one; `--model` takes an exported model instead. Measured in one process, in turns, so that
a busy machine slows both: `evaluate_tile` (reading, overlapping windows, blending, counting of both truths, boundary F1
and calibration, pictures), and the same session on just as many patches that lie in memory already.

The headline `ratio` is evaluation by forward passes, with the overlap's surplus of patches on both sides (aim: at most
1.25). `ratio_to_tile` is by forward passes on the tile's patches side by side, without overlap. `counting_seconds` is
the evaluation with a scorer that answers at once. The last line is one JSON object.
"""

import argparse
import json
import os
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
from affine import Affine
from numpy.typing import NDArray

from benchmarks.arguments import overlap_share, positive_float, positive_int

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CLASSES = 6
BANDS = ("red", "green", "blue")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a SavedModel of three bands in uint8; else an untrained SegNet")
    parser.add_argument("--side", type=positive_int, default=1536, help="of the tile, in pixels")
    parser.add_argument("--patch", type=positive_int, default=256)
    parser.add_argument("--width", type=positive_float, default=0.25, help="of the untrained SegNet")
    parser.add_argument("--batch", type=positive_int, default=8)
    parser.add_argument("--overlap", type=overlap_share, default=0.25)
    parser.add_argument("--repeats", type=positive_int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(arguments, Path(folder))))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from components.evaluation.evaluate_tile import TileEvaluationOptions, evaluate_tile
    from components.evaluation.saved_model_scorer import SavedModelScorer
    from components.geo.labels import LabelDecoder
    from components.mapping.map_options import MapOptions

    saved_model = arguments.model or export_segnet(folder / "model", arguments.patch, arguments.width)
    options = TileEvaluationOptions(maps=MapOptions(overlap=arguments.overlap))
    seconds: dict[str, list[float]] = {"evaluation": [], "forward": [], "counting": []}
    with SavedModelScorer(saved_model, arguments.batch) as scorer:
        contract = scorer.contract
        source = write_tile(folder, arguments.side * contract.downsample, contract.table)
        labels = LabelDecoder(contract.table)
        counted = CountingScorer(scorer)
        evaluate_tile([source], contract, counted, labels, options)  # warms up, and says how many patches
        patches = np.zeros((arguments.batch, contract.patch_size, contract.patch_size, len(BANDS)), np.uint8)
        patches[:] = np.random.default_rng(0).integers(0, 256, patches.shape[1:])
        for _ in range(arguments.repeats):
            started = time.perf_counter()
            found = evaluate_tile([source], contract, scorer, labels, options)
            seconds["evaluation"].append(time.perf_counter() - started)
            started = time.perf_counter()
            for size in counted.sizes:
                scorer.submit(patches[:size]).result()
            seconds["forward"].append(time.perf_counter() - started)
            at_once = InstantScorer(arguments.batch, contract.patch_size, len(contract.table))
            started = time.perf_counter()
            evaluate_tile([source], contract, at_once, labels, options)
            seconds["counting"].append(time.perf_counter() - started)
    predicted = sum(counted.sizes)
    side_by_side = (-(-arguments.side // contract.patch_size)) ** 2
    # The quietest turn of each: what else the machine did is no part of either.
    best = {name: min(values) for name, values in seconds.items()}
    return {
        "ratio": round(best["evaluation"] / best["forward"], 3),
        "ratio_median": round(statistics.median(seconds["evaluation"]) / statistics.median(seconds["forward"]), 3),
        "ratio_to_tile": round(best["evaluation"] / (best["forward"] * side_by_side / predicted), 3),
        "evaluation_seconds": round(best["evaluation"], 3),
        "forward_seconds": round(best["forward"], 3),
        "counting_seconds": round(best["counting"], 3),
        "patches": predicted,
        "patches_side_by_side": side_by_side,
        "pixels": int(found.counts.confusion.sum()),
        "cores": os.cpu_count(),
    }


class CountingScorer:
    """Passes patches on and notes the size of each request."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self.patches_per_request = scorer.patches_per_request
        self.most_waiting = scorer.most_waiting
        self.sizes: list[int] = []

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """As `Scorer.submit`."""
        self.sizes.append(len(patches))
        return self._scorer.submit(patches)  # type: ignore[no-any-return] # the scorer is any that is given


class InstantScorer:
    """Answers at once, always the same."""

    most_waiting = 2

    def __init__(self, batch: int, size: int, classes: int) -> None:
        self.patches_per_request = batch
        self._scores = np.random.default_rng(0).integers(0, 256, (batch, size, size, classes)).astype(np.uint8)

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """As `Scorer.submit`."""
        answer: Future[NDArray[np.uint8]] = Future()
        answer.set_result(self._scores[: len(patches)])
        return answer


def export_segnet(folder: Path, patch: int, width: float) -> str:
    from components.classes import ClassTable, LandClass
    from components.records.record_format import RecordFormat
    from components.training.networks import build_network
    from components.training.options import NetworkOptions
    from components.training.signatures import export_saved_model

    table = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(40 * i, 255, i)) for i in range(CLASSES)))
    record_format = RecordFormat(patch_size=patch, bands=BANDS, dtype="uint8", table=table)
    network = build_network(NetworkOptions(width=width), record_format, [128.0] * len(BANDS), [74.0] * len(BANDS))
    export_saved_model(network, record_format, str(folder))
    return str(folder)


def write_tile(folder: Path, side: int, table: Any) -> Any:
    """A tile of noise with a label of blocks, both tiled and compressed as such tiles are."""
    from components.classes import encode_colors
    from components.tile_source import TileSource

    rng = np.random.default_rng(0)
    ids = rng.integers(0, len(table), (side // 37 + 1, side // 37 + 1)).astype(np.uint8)
    ids = ids.repeat(37, axis=0).repeat(37, axis=1)[:side, :side]
    pixels = rng.integers(0, 256, (side, side, len(BANDS))).astype(np.uint8)
    paths = {"image": folder / "tile.tif", "label": folder / "tile_label.tif"}
    for name, bands in (("image", pixels), ("label", encode_colors(ids, table))):
        profile = {"count": 3, "dtype": "uint8", "height": side, "width": side, "crs": "EPSG:25832"}
        profile |= {"transform": Affine(0.1, 0, 5e5, 0, -0.1, 5e6), "tiled": True, "compress": "lzw"}
        with rasterio.open(paths[name], "w", driver="GTiff", **profile) as target:
            target.write(bands.transpose(2, 0, 1))
    return TileSource(tile="tile", image=str(paths["image"]), label=str(paths["label"]), split="test")


if __name__ == "__main__":
    main()
