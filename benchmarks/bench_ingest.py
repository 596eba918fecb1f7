"""Ingest against its floor, in one run, on one 6000 x 6000 tile (`--side` changes that).

The floor reads both rasters once, decodes the colours once, and writes the same bytes with `tf.io.TFRecordWriter`, in
one process: what no ingest can be faster than. The headline `ratio` is ingest's time over the floor's; both are the
best of `--rounds`, taken in turns, since the machine is shared. The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import apache_beam as beam
import numpy as np
import rasterio
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

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


def make_tile(folder: Path, side: int) -> TileSource:
    """An LZW-compressed image with noise, and a label of blocks, as orthophotos compress."""
    rng = np.random.default_rng(0)
    ids = np.kron(rng.integers(0, len(TABLE), (side // 20 + 1,) * 2), np.ones((20, 20), np.uint8)).astype(np.uint8)
    ids = np.ascontiguousarray(ids[:side, :side])
    image = (ids[..., None] * 30 + rng.integers(0, 16, (side, side, 3))).astype(np.uint8)
    for name, pixels in (("image", image), ("label", encode_colors(ids, TABLE))):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", height=side, width=side, count=3, dtype="uint8",
            compress="lzw", tiled=True, crs="EPSG:25832", transform=rasterio.Affine(0.09, 0, 0, 0, -0.09, 0),
        ) as dataset:  # fmt: skip
            dataset.write(pixels.transpose(2, 0, 1))
    return TileSource(tile="bench", image=str(folder / "image.tif"), label=str(folder / "label.tif"), split="train")


def floor(source: TileSource, size: int, out: Path) -> None:
    """Reads, decodes and writes the same number of bytes, and nothing else."""
    with rasterio.open(source.image) as dataset:
        image = dataset.read().transpose(1, 2, 0)
    with rasterio.open(source.label) as dataset:
        colors = dataset.read().transpose(1, 2, 0)
    label = ColorDecoder(TABLE).decode(np.ascontiguousarray(colors))
    with tf.io.TFRecordWriter(str(out)) as writer:
        for row in range(0, image.shape[0], size):
            for col in range(0, image.shape[1], size):
                at = slice(row, row + size), slice(col, col + size)
                writer.write(image[at].tobytes() + label[at].tobytes())


def ingest(source: TileSource, options: IngestOptions, out: Path) -> None:
    """The real thing, through Beam's direct runner with one worker."""
    with beam.Pipeline(options=PipelineOptions(beam_arguments(BeamOptions()))) as pipeline:
        _ = pipeline | beam.Create([source]) | WriteRecords(options, str(out))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6000, help="pixels a side of the tile")
    parser.add_argument("--size", type=int, default=256, help="pixels a side of a patch")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bands = BandSet.of_numbers((1, 2, 3), ("infrared", "red", "green"))
    options = IngestOptions(table=TABLE, bands=bands, patches=PatchOptions(size=arguments.size))
    seconds: dict[str, list[float]] = {"floor": [], "ingest": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own, so that the memory it takes is not counted as ingest's.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            source = pool.submit(make_tile, folder, arguments.side).result()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(arguments.rounds):
            started = time.perf_counter()
            ingest(source, options, folder / f"records{i}")
            seconds["ingest"].append(time.perf_counter() - started)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            started = time.perf_counter()
            floor(source, arguments.size, folder / "floor")
            seconds["floor"].append(time.perf_counter() - started)
            if i == 0:
                ingest_peak_mb = (peak - before) / 1024
        record_bytes = sum(file.stat().st_size for file in (folder / "records0").rglob("data_*"))
    best = {name: min(values) for name, values in seconds.items()}
    print(
        json.dumps(
            {
                "ratio": round(best["ingest"] / best["floor"], 3),
                "ingest_seconds": round(best["ingest"], 3),
                "floor_seconds": round(best["floor"], 3),
                "megapixels_per_second": round(arguments.side**2 / best["ingest"] / 1e6, 2),
                "record_megabytes_per_second": round(record_bytes / best["ingest"] / 1e6, 1),
                "peak_memory_above_start_mb": round(ingest_peak_mb, 1),
                "side_px": arguments.side,
                "patch_px": arguments.size,
            }
        )
    )


if __name__ == "__main__":
    main()
