"""Cuts one strip of a tile into records: the work that Beam hands out.

A strip is some consecutive rows of patches, so that a tile of any size is read in bounded memory and two
workers can share one tile. A strip's records depend on nothing but its own arguments: the same input gives the same
bytes whatever the number of workers and whatever was done before.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.geo.bands import BandSet
from components.geo.grid import GridCell
from components.geo.image import ImageReader, open_image
from components.geo.label_options import ColorLabels, LabelOptions
from components.geo.labels import LabelDecoder, LabelReader
from components.geo.patches import PatchOptions, padded, patch_rows
from components.geo.window import Window
from components.options import Options
from components.records.patch_example import Patch, encode_patch
from components.records.record_file import open_record_file
from components.tile_source import TileSource

STRIP_PIXELS = 16_000_000
"""About how many tile pixels one strip reads: 16 megapixels of 4 bytes are 64 MB, far below a worker's memory and far
above the cost of opening a file."""


READ_PIXELS = 1_000_000
"""About how many tile pixels are read at once, a part of a row of patches at least: the memory that a worker needs does
not grow with the width of the tile."""


class IngestOptions(Options):
    """What is the same for all tiles of a data set."""

    table: ClassTable
    bands: BandSet
    labels: LabelOptions = ColorLabels()
    patches: PatchOptions


@dataclass(frozen=True)
class Strip:
    """Consecutive rows `first_row` to `last_row` (inclusive) of a tile's rows of patches; number `part` of `parts`."""

    source: TileSource
    first_row: int
    last_row: int
    part: int
    parts: int


@dataclass(frozen=True)
class StripCounts:
    """What became of a strip: patches written, and left out for lack of image, of truth or of a wanted class."""

    tile: str
    split: str
    written: int
    without_image: int
    without_truth: int
    without_class: int = 0


def plan_strips(source: TileSource, options: IngestOptions) -> list[Strip]:
    """The strips of a tile, top to bottom.

    Raises:
        MissingFileError, RasterError: If the image cannot be opened.
    """
    with open_image(source.all_rasters, options.bands) as image:
        height, width = _patch_grid_size(source, image, options)
    rows = patch_rows(options.patches, source.split, source.tile, height, width)
    pixels_a_row = rows[0][0].window.height * (rows[0][-1].window.col_stop - rows[0][0].window.col)
    if len(rows) > 1 and options.patches.random_crops is None:
        pixels_a_row = min(pixels_a_row, options.patches.stride_of(source.split) * width)
    rows_a_strip = max(1, STRIP_PIXELS // (pixels_a_row * options.patches.downsample**2))
    parts = -(-len(rows) // rows_a_strip)
    # All of one size: runners deal strips out by number, and a small rest would leave one worker idle.
    rows_a_strip = -(-len(rows) // parts)
    parts = -(-len(rows) // rows_a_strip)
    return [
        Strip(source, part * rows_a_strip, min(len(rows), (part + 1) * rows_a_strip) - 1, part, parts)
        for part in range(parts)
    ]


def record_file(folder: str, strip: Strip) -> str:
    """Where a strip's records go, in TFX's layout `Split-<split>/<name>-<part>-of-<parts>`.

    Characters that file patterns or file systems give a meaning are replaced in the tile's id; a short hash of the
    id keeps two ids apart that then look alike.
    """
    digest = hashlib.sha256(strip.source.tile.encode()).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", strip.source.tile)
    file = f"data_tfrecord-{name}-{digest}-{strip.part:05d}-of-{strip.parts:05d}"
    return f"{folder}/Split-{strip.source.split}/{file}"


def cut_strip(strip: Strip, options: IngestOptions, labels: LabelDecoder) -> Iterator[Patch]:
    """The patches of a strip, in grid order, none left out.

    Raises:
        EosegError: If a file cannot be opened or read.
    """
    source = strip.source
    with open_image(source.all_rasters, options.bands) as image, labels.open(source, image.grid) as label:
        height, width = _patch_grid_size(source, image, options)
        rows = patch_rows(options.patches, source.split, source.tile, height, width)
        most_cells = max(1, READ_PIXELS // (options.patches.size * options.patches.downsample) ** 2)
        for cells in rows[strip.first_row : strip.last_row + 1]:
            for first in range(0, len(cells), most_cells):
                yield from _cut_row(cells[first : first + most_cells], image, label, height, width, options, source)


def write_strip(strip: Strip, options: IngestOptions, labels: LabelDecoder, folder: str) -> StripCounts:
    """Writes a strip's records below `folder` (whole or not at all) and counts them.

    Raises:
        EosegError: If a file cannot be read, or the records not be written.
    """
    written = without_image = without_truth = without_class = 0
    patches = options.patches
    is_training = strip.source.split == "train"
    wanted = [(options.table.names.index(name), share) for name, share in patches.min_class_share.items()]
    with open_record_file(record_file(folder, strip)) as records:
        for patch in cut_strip(strip, options, labels):
            if np.count_nonzero(patch.valid) < (1 - patches.max_nodata_share) * patch.valid.size:
                without_image += 1
            elif is_training and _void_share(patch) > patches.max_void_share:
                without_truth += 1
            elif is_training and wanted and not _has_any(patch, wanted):
                without_class += 1
            else:
                records.write(encode_patch(patch, options.table.names, options.bands.names))
                written += 1
    return StripCounts(strip.source.tile, strip.source.split, written, without_image, without_truth, without_class)


def _patch_grid_size(source: TileSource, image: ImageReader, options: IngestOptions) -> tuple[int, int]:
    """Height and width of what is cut, in patch pixels, at least 1."""
    area = source.area or Window(0, 0, image.height, image.width)
    downsample = options.patches.downsample
    return max(1, area.height // downsample), max(1, area.width // downsample)


def _cut_row(
    cells: list[GridCell],
    image: ImageReader,
    label: LabelReader,
    height: int,
    width: int,
    options: IngestOptions,
    source: TileSource,
) -> Iterator[Patch]:
    """Reads neighbours of one row of patches at once, then cuts them; `height`, `width` after downsampling."""
    size, downsample = options.patches.size, options.patches.downsample
    top, left, right = cells[0].window.row, cells[0].window.col, cells[-1].window.col_stop
    first_row, first_col = (source.area.row, source.area.col) if source.area else (0, 0)
    inside = Window(top, left, min(size, height - top), min(right, width) - left).scaled(downsample)
    window = Window(first_row + inside.row, first_col + inside.col, inside.height, inside.width)
    raster = image.read(window, downsample)
    class_ids = label.read(window, downsample)
    class_ids[class_ids == UNKNOWN_ID] = VOID_ID  # LabelValidator has judged them against their budget
    ignored = label.read_ignored(window, downsample)
    reflect = options.patches.edges == "reflect"
    learnt = reflect and source.split == "train"
    pixels = padded(raster.pixels, size, right - left, None if reflect else 0)
    valid = padded(raster.valid, size, right - left, None if reflect else 0)
    class_ids = padded(class_ids, size, right - left, None if learnt else VOID_ID)
    if ignored is not None:
        ignored = padded(ignored, size, right - left, None if reflect else 0)
    for cell in cells:
        cols = slice(cell.window.col - left, cell.window.col_stop - left)
        row, col = first_row + cell.window.row * downsample, first_col + cell.window.col * downsample
        yield Patch(
            tile=source.tile,
            row=row,
            col=col,
            fresh_row=cell.fresh_row,
            fresh_col=cell.fresh_col,
            image=pixels[:, cols],
            label=class_ids[:, cols],
            valid=valid[:, cols],
            georeference=image.georeference.at(row, col, downsample),
            ignored=None if ignored is None else ignored[:, cols],
        )


def _void_share(patch: Patch) -> float:
    return np.count_nonzero((patch.label == VOID_ID) | ~patch.valid) / patch.label.size


def _has_any(patch: Patch, wanted: Sequence[tuple[int, float]]) -> bool:
    """Whether any of the classes (id, share) has its share of the patch."""
    return any(np.count_nonzero((patch.label == i) & patch.valid) >= share * patch.label.size for i, share in wanted)
