"""Cuts one strip of a tile into records: the work that Beam hands out.

A strip is some consecutive rows of the patch grid, so that a tile of any size is read in bounded memory and two
workers can share one tile. A strip's records depend on nothing but its own arguments: the same input gives the same
bytes whatever the number of workers and whatever was done before.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.geo.bands import BandSet
from components.geo.grid import GridCell, grid_rows
from components.geo.image import ImageReader, open_image
from components.geo.label_options import ColorLabels, LabelOptions
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.patches import PatchOptions, padded
from components.geo.window import Window
from components.options import Options
from components.records.patch_example import Patch, encode_patch
from components.tile_source import TileSource

STRIP_PIXELS = 16_000_000
"""About how many tile pixels one strip reads: 16 megapixels of 4 bytes are 64 MB, far below a worker's memory and far
above the cost of opening a file."""


class IngestOptions(Options):
    """What is the same for all tiles of a data set."""

    table: ClassTable
    bands: BandSet
    labels: LabelOptions = ColorLabels()
    patches: PatchOptions


@dataclass(frozen=True)
class Strip:
    """Consecutive rows `first_row` to `last_row` (inclusive) of a tile's patch grid; number `part` of `parts`."""

    source: TileSource
    first_row: int
    last_row: int
    part: int
    parts: int


@dataclass(frozen=True)
class StripCounts:
    """What became of a strip: patches written, and left out for lack of image or of truth."""

    tile: str
    split: str
    written: int
    without_image: int
    without_truth: int


def plan_strips(source: TileSource, options: IngestOptions) -> list[Strip]:
    """The strips of a tile, top to bottom.

    Raises:
        MissingFileError, RasterError: If the image cannot be opened.
    """
    patches = options.patches
    with open_image(source.all_rasters, options.bands) as image:
        height, width = image.height // patches.downsample, image.width // patches.downsample
    rows = sum(1 for _ in grid_rows(max(height, 1), max(width, 1), patches.size, patches.stride_of(source.split)))
    stride = patches.stride_of(source.split) * patches.downsample
    rows_a_strip = max(1, STRIP_PIXELS // (stride * width * patches.downsample))
    parts = -(-rows // rows_a_strip)
    return [
        Strip(source, part * rows_a_strip, min(rows, (part + 1) * rows_a_strip) - 1, part, parts)
        for part in range(parts)
    ]


def record_file(folder: str | Path, strip: Strip) -> Path:
    """Where a strip's records go, in TFX's layout `Split-<split>/<name>-<part>-of-<parts>`.

    Characters that file patterns or file systems give a meaning are replaced in the tile's id; a short hash of the
    id keeps two ids apart that then look alike.
    """
    digest = hashlib.sha256(strip.source.tile.encode()).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", strip.source.tile)
    folder = Path(folder) / f"Split-{strip.source.split}"
    return folder / f"data_tfrecord-{name}-{digest}-{strip.part:05d}-of-{strip.parts:05d}"


def cut_strip(strip: Strip, options: IngestOptions, labels: LabelDecoder) -> Iterator[Patch]:
    """The patches of a strip, in grid order, none left out.

    Raises:
        EosegError: If a file cannot be opened or read.
    """
    patches, source = options.patches, strip.source
    with open_image(source.all_rasters, options.bands) as image, labels.open(source, image.grid) as label:
        height, width = image.height // patches.downsample, image.width // patches.downsample
        rows = grid_rows(max(height, 1), max(width, 1), patches.size, patches.stride_of(source.split))
        for number, cells in enumerate(rows):
            if strip.first_row <= number <= strip.last_row:
                yield from _cut_row(cells, image, label, height, width, options, source.tile)


def write_strip(strip: Strip, options: IngestOptions, labels: LabelDecoder, folder: str | Path) -> StripCounts:
    """Writes a strip's records below `folder` (whole or not at all) and counts them."""
    path = record_file(folder, strip)
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.parent / f".{path.name}.{os.getpid()}.part"
    written = without_image = without_truth = 0
    patches = options.patches
    try:
        with tf.io.TFRecordWriter(str(part_path)) as writer:
            for patch in cut_strip(strip, options, labels):
                if np.count_nonzero(patch.valid) < (1 - patches.max_nodata_share) * patch.valid.size:
                    without_image += 1
                elif strip.source.split == "train" and _void_share(patch) > patches.max_void_share:
                    without_truth += 1
                else:
                    writer.write(encode_patch(patch, options.table.names, options.bands.names))
                    written += 1
        if written:
            part_path.replace(path)
    finally:
        part_path.unlink(missing_ok=True)
    return StripCounts(strip.source.tile, strip.source.split, written, without_image, without_truth)


def _cut_row(
    cells: list[GridCell],
    image: ImageReader,
    label: LabelReader,
    height: int,
    width: int,
    options: IngestOptions,
    tile: str,
) -> Iterator[Patch]:
    """Reads one row of the grid over the tile's whole width, then cuts it; `height`, `width` after downsampling."""
    size, downsample = options.patches.size, options.patches.downsample
    top = cells[0].window.row
    rows = min(size, height - top)
    window = Window(top, 0, rows, width).scaled(downsample)
    raster = image.read(window, downsample)
    class_ids = label.read(window, downsample)
    class_ids[class_ids == UNKNOWN_ID] = VOID_ID  # LabelValidator has judged them against their budget
    pixels = padded(raster.pixels, size, 0)
    valid = padded(raster.valid, size, 0)
    class_ids = padded(class_ids, size, VOID_ID)
    for cell in cells:
        cols = slice(cell.window.col, cell.window.col_stop)
        row, col = cell.window.row * downsample, cell.window.col * downsample
        yield Patch(
            tile=tile,
            row=row,
            col=col,
            fresh_row=cell.fresh_row,
            fresh_col=cell.fresh_col,
            image=pixels[:, cols],
            label=class_ids[:, cols],
            valid=valid[:, cols],
            georeference=image.georeference.at(row, col, downsample),
        )


def _void_share(patch: Patch) -> float:
    return np.count_nonzero((patch.label == VOID_ID) | ~patch.valid) / patch.label.size
