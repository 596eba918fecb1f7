"""A whole scene through the model server, against the bare forward passes on its pixels, and against the classic loop.

Three processes of their own, measured in one run: the embedded server with `predict_map` as its client; the session
alone on the scene's patches side by side; and the loop that segmentation papers publish: the whole image in memory, a
window every 32 pixels, one batch after another, scores added up. The loop is run on a corner of the scene, since it
takes (patch / 32)^2 times the forward passes; its speed is given for the whole.

The headline `ratio` is the map's seconds, without the overlap's surplus of patches, over the forward passes' (aim: at
most 1.35 at 25 % overlap). `everything_else` is the client and the writer alone, with a scorer that answers at once.

With the working directory of a finished run (`--workdir`, default `work/demo`), its model predicts its first test tile,
and both ways are scored against the truth, on the same corner; else a slim SegNet without training predicts noise,
whose times are the same. `--side` repeats the scene up to so many pixels. The last line is one JSON object.
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
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks.arguments import overlap_share, positive_float, positive_int

LOOP_STRIDE = 32
RGB = 3


def forward_job(job: dict[str, Any]) -> dict[str, Any]:
    """The session alone: the scene's patches side by side, `batch` at a time; and seconds."""
    session, inputs, output = _session(job["version"])
    with rasterio.open(job["tile"]) as dataset:
        image = dataset.read().transpose(1, 2, 0)
    size, batch = job["size"], job["batch"]
    places = [(r, c) for r in range(0, image.shape[0], size) for c in range(0, image.shape[1], size)]
    patches = [_padded(image[r : r + size, c : c + size], size) for r, c in places]
    session.run(output, {inputs: np.stack(patches[:batch])})
    started = time.perf_counter()
    for first in range(0, len(patches), batch):
        session.run(output, {inputs: np.stack(patches[first : first + batch])})
    return {"seconds": time.perf_counter() - started, "patches": len(patches)}


def loop_job(job: dict[str, Any]) -> dict[str, Any]:
    """The classic loop on the corner of `corner` pixels; the class ids go to `job["out"]`."""
    session, inputs, output = _session(job["version"])
    started = time.perf_counter()
    with rasterio.open(job["tile"]) as dataset:
        image = dataset.read(window=Window(0, 0, job["corner"], job["corner"])).transpose(1, 2, 0)
    size, batch = job["size"], job["batch"]
    height, width = image.shape[:2]
    sums: NDArray[np.float32] = np.zeros((height, width, job["classes"]), np.float32)
    places = [(r, c) for r in _starts(height, size) for c in _starts(width, size)]
    for first in range(0, len(places), batch):
        some = places[first : first + batch]
        answers = session.run(output, {inputs: np.stack([image[r : r + size, c : c + size] for r, c in some])})
        for (r, c), answer in zip(some, answers, strict=True):
            sums[r : r + size, c : c + size] += np.frombuffer(answer, np.uint8).reshape(size, size, -1)
    class_ids = sums.argmax(-1).astype(np.uint8)
    seconds = time.perf_counter() - started
    np.save(job["out"], class_ids)
    return {"seconds": seconds, "pixels": height * width, "patches": len(places), "peak_mb": _peak_mb()}


def map_job(job: dict[str, Any]) -> dict[str, Any]:
    """`predict_map`; through the server at `address`, or with scores that are there at once."""
    from serving.client import SegmentationClient
    from serving.client_options import ClientOptions
    from serving.predict_map import MapOptions, predict_map

    options = ClientOptions(concurrency=job["concurrency"], patches_per_request=job["patches"])
    with SegmentationClient(job["address"], "bench", options=options) as client:
        contract = client.contract()
        asked = 0
        send = client.submit_scores
        canned = np.random.default_rng(0).integers(
            1, 255, (job["patches"], *[contract.patch_size] * 2, len(contract.table)), np.uint8
        )

        def count(patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
            nonlocal asked
            asked += len(patches)
            if not job["canned"]:
                return send(patches)
            done: Future[NDArray[np.uint8]] = Future()
            done.set_result(canned[: len(patches)])
            return done

        client.submit_scores = count  # type: ignore[method-assign]
        send(np.zeros((1, contract.patch_size, contract.patch_size, len(contract.bands)), contract.dtype)).result()
        result = predict_map(job["tile"], job["out"], client, MapOptions(overlap=job["overlap"]))
    surplus = asked * contract.patch_size**2 / result.pixels
    return {"seconds": result.seconds, "pixels": result.pixels, "surplus": surplus, "peak_mb": _peak_mb()}


JOBS = {"forward": forward_job, "loop": loop_job, "map": map_job}


def _session(version: str) -> tuple[Any, str, str]:
    import tensorflow as tf

    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], version)
    signature = loaded.signature_def["serving_default"]
    return session, signature.inputs["image"].name, signature.outputs["scores_bytes"].name


def _starts(length: int, size: int) -> list[int]:
    starts = list(range(0, length - size + 1, LOOP_STRIDE))
    return starts if starts[-1] + size == length else [*starts, length - size]


def _padded(patch: NDArray[Any], size: int) -> NDArray[Any]:
    return np.pad(patch, ((0, size - patch.shape[0]), (0, size - patch.shape[1]), (0, 0)))


def _peak_mb() -> float:
    # Not getrusage: its peak is handed on from the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3


def run_job(kind: str, **job: Any) -> dict[str, Any]:
    """A job in a process of its own, so that its peak memory is its own."""
    import subprocess

    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(root)}
    command = [sys.executable, __file__, "--job", json.dumps({"kind": kind, **job})]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    answer: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return answer


def untrained(folder: Path, width: float, size: int) -> Path:
    """The folder of a slim SegNet with random weights, as version 1."""
    from components.classes import ClassTable, LandClass
    from components.records.record_format import RecordFormat
    from components.training.networks import build_network
    from components.training.options import NetworkOptions
    from components.training.signatures import export_saved_model

    table = ClassTable(classes=tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(6)))
    record_format = RecordFormat(patch_size=size, bands=("red", "green", "blue"), dtype="uint8", table=table)
    model = build_network(NetworkOptions(width=width), record_format, [110.0] * RGB, [50.0] * RGB)
    export_saved_model(model, record_format, str(folder / "bench" / "1"))
    return folder / "bench"


def tiled_scene(tile: Path | None, path: Path, side: int) -> Path:
    """The tile (or smooth noise), repeated to `side` pixels; a strip in memory at a time."""
    if tile is None:
        rng = np.random.default_rng(0)
        block = np.kron(rng.integers(1, 255, (32, 32, RGB), np.uint8), np.ones((16, 16, 1), np.uint8))
    else:
        with rasterio.open(tile) as dataset:
            block = dataset.read().transpose(1, 2, 0)
    height, width, bands = block.shape
    row = np.concatenate([block] * -(-side // width), axis=1)[:, :side]
    profile = {"driver": "GTiff", "height": side, "width": side, "count": bands, "dtype": block.dtype.name}
    place = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.5, 0, 0, 0, -0.5, 0)}
    with rasterio.open(path, "w", tiled=True, compress="deflate", bigtiff="if_safer", **profile, **place) as dataset:
        for top in range(0, side, height):
            count = min(height, side - top)
            dataset.write(row[:count].transpose(2, 0, 1), window=Window(0, top, side, count))
    return path


def of_finished_run(workdir: str, config_name: str) -> dict[str, Any] | None:
    """Model folder, first test tile and its truth of a run that has published; None where there is none."""
    from components.geo.image import open_image
    from components.geo.labels import LabelDecoder
    from components.geo.window import Window as TileWindow
    from tfx_pipeline.data_set import find_data_set, places_of
    from tfx_pipeline.load_config import load_config

    config = load_config(config_name, workdir=workdir)
    places = places_of(config)
    base = places.model_base / config.publish.model_name
    if not places.summary.is_file() or not base.is_dir():
        return None
    tiles = find_data_set(config, places, fingerprint=False).tiles
    source = next(tile for tile in tiles if tile.split in ("test", "eval"))
    decoder = LabelDecoder(config.table, config.label_options)
    with (
        open_image(source.all_rasters, config.data.band_set) as image,
        decoder.open(source, image.grid) as label,
    ):
        truth = label.read(TileWindow(0, 0, image.height, image.width))
    return {"base": base, "tile": Path(source.image), "truth": truth, "size": config.patches.size}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="demo.yaml")
    parser.add_argument("--workdir", default="work/demo", help="of a finished run")
    parser.add_argument("--side", type=positive_int, default=2048, help="pixels a side of the scene")
    parser.add_argument("--corner", type=positive_int, default=512, help="pixels a side of what the loop predicts")
    parser.add_argument("--overlap", type=overlap_share, default=0.25)
    parser.add_argument("--patches", type=positive_int, default=8, help="patches a request, and a batch of the others")
    parser.add_argument("--concurrency", type=positive_int, default=2)
    parser.add_argument("--rounds", type=positive_int, default=3)
    parser.add_argument("--width", type=positive_float, default=0.25, help="of the untrained SegNet")
    parser.add_argument(
        "--size", type=positive_int, default=256, help="pixels a side of the untrained SegNet's patches"
    )
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job = json.loads(arguments.job)
        print(json.dumps(JOBS[job["kind"]](job)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(arguments, Path(folder))))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All rounds, taken in turns, since the machine is shared."""
    from serving.batching import BatchingOptions
    from serving.deploy.start_server import start_server

    trained = of_finished_run(arguments.workdir, arguments.config)
    base = trained["base"] if trained else untrained(folder, arguments.width, arguments.size)
    size = trained["size"] if trained else arguments.size
    version = max((path for path in base.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    tile = tiled_scene(trained["tile"] if trained else None, folder / "scene.tif", arguments.side)
    common = {"version": str(version), "tile": str(tile), "size": size, "batch": arguments.patches}
    batching = BatchingOptions(enabled=False)
    rounds: dict[str, list[dict[str, Any]]] = {"map": [], "forward": [], "everything_else": []}
    with start_server(base, "bench", batching, kind="embedded") as server:
        for number in range(arguments.rounds):
            asked = {
                "address": server.address, "tile": str(tile), "out": str(folder / "map.tif"),
                "patches": arguments.patches, "concurrency": arguments.concurrency, "overlap": arguments.overlap,
            }  # fmt: skip
            rounds["map"].append(run_job("map", canned=False, **asked))
            rounds["everything_else"].append(run_job("map", canned=True, **{**asked, "out": str(folder / "x.tif")}))
            rounds["forward"].append(run_job("forward", **common))
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    with rasterio.open(folder / "map.tif") as dataset:
        corner = min(arguments.corner, arguments.side)
        mapped = dataset.read(1, window=Window(0, 0, corner, corner))
        classes = sum(key.startswith("CLASS_") and key != "CLASS_NAMES" for key in dataset.tags())
    loop = run_job("loop", corner=corner, classes=classes, out=str(folder / "loop.npy"), **common)
    looped = np.load(folder / "loop.npy")
    megapixels = arguments.side**2 / 1e6
    ratios = [
        made["seconds"] / made["surplus"] / bare["seconds"]
        for made, bare in zip(rounds["map"], rounds["forward"], strict=True)
    ]
    seconds = {kind: statistics.median(run["seconds"] for run in runs) for kind, runs in rounds.items()}
    result = {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "megapixels": round(megapixels, 2),
        "map_megapixels_per_s": round(megapixels / seconds["map"], 3),
        "forward_megapixels_per_s": round(megapixels / seconds["forward"], 3),
        "everything_else_megapixels_per_s": round(megapixels / seconds["everything_else"], 3),
        "surplus_of_patches": round(rounds["map"][0]["surplus"], 3),
        "client_peak_mb": round(max(run["peak_mb"] for run in rounds["map"])),
        "loop_megapixels_per_s": round(loop["pixels"] / 1e6 / loop["seconds"], 3),
        "loop_over_map_time": round(loop["seconds"] / loop["pixels"] * 1e6 / (seconds["map"] / megapixels), 2),
        "loop_peak_mb": round(loop["peak_mb"]),
        "same_class_as_loop": round(float((mapped == looped).mean()), 4),
        "trained": trained is not None,
        "patch_size": size,
        "patches_per_request": arguments.patches,
        "overlap": arguments.overlap,
    }
    if trained is not None:
        truth = trained["truth"][:corner, :corner]
        inside = tuple(slice(0, n) for n in truth.shape)
        counts = truth < classes
        for name, ids in (("map", mapped), ("loop", looped)):
            result[f"{name}_accuracy"] = round(float((ids[inside] == truth)[counts].mean()), 4)
    return result


if __name__ == "__main__":
    main()
