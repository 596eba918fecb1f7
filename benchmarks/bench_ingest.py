"""Ingest against its floor, with one and with two workers, over many tiles, and in memory; all in one run.

The floor reads both rasters once, decodes the colours once, and writes the same bytes with `tf.io.TFRecordWriter`, in
one process. The headline `ratio` is ingest's time over the floor's, for one tile with one worker. All times are the
best of `--rounds`, taken in turns, since the machine is shared. The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

import apache_beam as beam
import numpy as np
import rasterio
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from rasterio.windows import Window

from benchmarks.arguments import positive_int
from components.classes import ClassTable, ColorDecoder, LandClass, encode_colors
from components.geo.bands import BandSet
from components.geo.patches import PatchOptions
from components.records.transforms import WriteRecords
from components.records.write_tile import IngestOptions
from components.tile_source import TileSource
from tfx_pipeline.beam_runner import BeamOptions, beam_arguments

TABLE = ClassTable(
    classes=tuple(
        LandClass(name=name, color=color)
        for name, color in (
            ("impervious surface", (255, 255, 255)),
            ("building", (0, 0, 255)),
            ("low vegetation", (0, 255, 255)),
            ("tree", (0, 255, 0)),
            ("car", (255, 255, 0)),
            ("clutter", (255, 0, 0)),
        )
    )
)


BLOCK_PX = 20
"""A side of the label's squares: about as many borders as roofs and gardens have at 9 cm."""


def make_tile(folder: Path, side: int) -> None:
    """An LZW-compressed image with noise, and a label of squares, as orthophotos compress; written in strips."""
    folder.mkdir(parents=True)
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 3, "dtype": "uint8", "compress": "lzw",
        "tiled": True, "bigtiff": "if_safer", "crs": "EPSG:25832",
        "transform": rasterio.Affine(0.09, 0, 0, 0, -0.09, 0),
    }  # fmt: skip
    rng = np.random.default_rng(0)
    rows = 64 * BLOCK_PX
    with (
        rasterio.open(folder / "image.tif", "w", **profile) as image,
        rasterio.open(folder / "label.tif", "w", **profile) as label,
    ):
        for top in range(0, side, rows):
            height = min(rows, side - top)
            coarse = rng.integers(0, len(TABLE), (rows // BLOCK_PX, side // BLOCK_PX + 1), np.uint8)
            ids = np.kron(coarse, np.ones((BLOCK_PX, BLOCK_PX), np.uint8))[:height, :side]
            noise = rng.integers(0, 16, (height, side, 3), np.uint8)
            window = Window(0, top, side, height)
            image.write((ids[..., None] * 30 + noise).transpose(2, 0, 1), window=window)
            label.write(encode_colors(ids, TABLE).transpose(2, 0, 1), window=window)


def sources(folder: Path, tiles: int) -> list[TileSource]:
    """So many tiles, all of the same two files."""
    image, label = str(folder / "image.tif"), str(folder / "label.tif")
    return [TileSource(tile=f"tile {i}", image=image, label=label, split="train") for i in range(tiles)]


def floor(folder: Path, size: int, out: Path) -> None:
    """Reads, decodes and writes the same number of bytes, and nothing else."""
    with rasterio.open(folder / "image.tif") as dataset:
        image = dataset.read().transpose(1, 2, 0)
    with rasterio.open(folder / "label.tif") as dataset:
        colors = dataset.read().transpose(1, 2, 0)
    label = ColorDecoder(TABLE).decode(np.ascontiguousarray(colors))
    with tf.io.TFRecordWriter(str(out)) as writer:
        for row in range(0, image.shape[0], size):
            for col in range(0, image.shape[1], size):
                at = slice(row, row + size), slice(col, col + size)
                writer.write(image[at].tobytes() + label[at].tobytes())


def ingest(tiles: list[TileSource], size: int, out: Path, workers: int = 1) -> None:
    """The real thing, through Beam's direct runner."""
    bands = BandSet.of_numbers((1, 2, 3), ("infrared", "red", "green"))
    options = IngestOptions(table=TABLE, bands=bands, patches=PatchOptions(size=size))
    with beam.Pipeline(options=PipelineOptions(beam_arguments(BeamOptions(workers=workers)))) as pipeline:
        _ = pipeline | beam.Create(tiles) | WriteRecords(options, str(out))


def best_of(rounds: int, out: Path, works: dict[str, Callable[[], None]]) -> dict[str, float]:
    """The shortest time of each work in seconds; the works take turns, and `out` is emptied after each."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
    return {name: min(values) for name, values in seconds.items()}


def peak_memory_mb(folder: Path, size: int, out: Path) -> float:
    """The peak of one worker on one tile above what the imports take; for a process of its own."""
    ingest(sources(folder, 1)[:0], size, out)  # Beam's own start
    status = Path("/proc/self/status")

    def kilobytes(key: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key))

    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = kilobytes("VmRSS")
    ingest(sources(folder, 1), size, out)
    return (kilobytes("VmHWM") - before) / 1024


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=positive_int, default=6000, help="pixels a side of the tile")
    parser.add_argument("--size", type=positive_int, default=256, help="pixels a side of a patch")
    parser.add_argument("--rounds", type=positive_int, default=3)
    parser.add_argument("--tiles", type=positive_int, default=12, help="tiles that two workers share")
    parser.add_argument("--large-side", type=positive_int, default=12000, help="a larger tile, for the peak memory")
    parser.add_argument(
        "--many-side", type=positive_int, default=1536, help="pixels a side where 1, 10 and 100 tiles are timed"
    )
    arguments = parser.parse_args()
    size = arguments.size
    with tempfile.TemporaryDirectory() as name:
        tile, large, small, out = (Path(name) / part for part in ("tile", "large", "small", "out"))
        out.mkdir()
        # Each in a process of its own, so that the memory of one is not counted as another's.
        for folder, side in ((tile, arguments.side), (large, arguments.large_side), (small, arguments.many_side)):
            alone(make_tile, folder, side)
        peaks = []
        for folder in (tile, large):
            peaks.append(alone(peak_memory_mb, folder, size, out))
            shutil.rmtree(out)
        shutil.rmtree(large)
        ingest(sources(tile, 1), size, out)  # warms up what is built once
        record_bytes = sum(file.stat().st_size for file in out.rglob("data_*"))
        shutil.rmtree(out)
        out.mkdir()
        one = best_of(
            arguments.rounds,
            out,
            {"ingest": lambda: ingest(sources(tile, 1), size, out), "floor": lambda: floor(tile, size, out / "floor")},
        )
        archive = sources(tile, arguments.tiles)
        shared = best_of(
            arguments.rounds,
            out,
            {
                "one": lambda: ingest(archive, size, out),
                "two": lambda: ingest(archive, size, out, workers=2),
            },
        )
        many = {
            n: best_of(2, out, {"s": lambda n=n: ingest(sources(small, n), size, out)})["s"] / n for n in (1, 10, 100)
        }
    print(
        json.dumps(
            {
                "ratio": round(one["ingest"] / one["floor"], 3),
                "ingest_seconds": round(one["ingest"], 3),
                "floor_seconds": round(one["floor"], 3),
                "megapixels_per_second": round(arguments.side**2 / one["ingest"] / 1e6, 2),
                "record_megabytes_per_second": round(record_bytes / one["ingest"] / 1e6, 1),
                "two_workers_speedup": round(shared["one"] / shared["two"], 3),
                "archive_seconds": {name: round(value, 2) for name, value in shared.items()},
                "archive_tiles": arguments.tiles,
                "peak_memory_above_imports_mb": {
                    str(arguments.side): round(peaks[0], 1),
                    str(arguments.large_side): round(peaks[1], 1),
                },
                "milliseconds_per_tile": {str(n): round(1000 * value, 1) for n, value in many.items()},
                "side_px": arguments.side,
                "patch_px": size,
            }
        )
    )


if __name__ == "__main__":
    main()
