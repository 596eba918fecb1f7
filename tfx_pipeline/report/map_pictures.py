"""A predicted map beside its tile: for the page, and as one PNG for a README."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from components.classes import ClassTable
from components.errors import EosegError
from components.geo.bands import BandSet
from components.geo.geotiff import open_raster
from components.geo.image import open_image
from components.geo.label_options import LabelOptions
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from components.tile_source import TileSource
from tfx_pipeline.report import pictures
from tfx_pipeline.report.layers import Ground, Layers, layers_of

MOST_SIDE_PX = 900
FULL_SIZE_MAPS = 2
"""With more maps than these on one page, each becomes smaller, so that all together weigh about as much."""

BUDGET_BYTES = 1_600_000
"""Of all maps on the page together."""

_MARGIN, _LEGEND_ROW, _FONT_PX = 12, 26, 15
_PAPER, _INK, _EDGE = (255, 255, 255), (28, 33, 40), (150, 150, 150)


@dataclass(frozen=True)
class Overview:
    """A tile, its truth and its map on one decimated grid.

    Attributes:
        image: `(height, width, 3)` uint8, stretched.
        truth: `(height, width)` class ids, None where the label cannot be read.
        predicted: `(height, width)` class ids.
        shape: (height, width) of the map in its own pixels.
        downsample: Map pixels a side of an overview pixel.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None
    predicted: NDArray[np.uint8]
    shape: tuple[int, int]
    downsample: int


@dataclass(frozen=True)
class MapPictures:
    """One map on the page, with the layers there are to look at."""

    tile: str
    file: Path
    height: int
    width: int
    downsample: int
    layers: Layers


def overview_side_px(maps: int) -> int:
    """The longest side of each overview on a page of so many maps."""
    return MOST_SIDE_PX if maps <= FULL_SIZE_MAPS else round(MOST_SIDE_PX * (FULL_SIZE_MAPS / maps) ** 0.5)


def read_overview(
    source: TileSource,
    map_file: str | Path,
    table: ClassTable,
    bands: BandSet,
    labels: LabelOptions,
    *,
    most_side_px: int = MOST_SIDE_PX,
) -> Overview:
    """Reads tile and map decimated: the image averaged, class ids by nearest neighbour.

    Args:
        source: The tile.
        map_file: Its predicted map, on the same pixel grid.
        table: The classes.
        bands: The tile's bands; the first three are shown as red, green and blue.
        labels: The form of its labels.
        most_side_px: No side of the overview is longer.

    Raises:
        EosegError: If tile or map cannot be read.
    """
    with open_raster(map_file) as predicted_map:
        window = Window(0, 0, predicted_map.height, predicted_map.width)
        downsample = -(-max(window.height, window.width) // most_side_px)
        predicted = predicted_map.read(window, downsample, nearest=True).pixels[..., 0]
    with open_image(source.all_rasters, bands) as tile:
        grid = tile.grid
        raster = tile.read(window, downsample)
    pixels = raster.pixels[..., :3]
    stretch = pictures.find_stretch(pixels, raster.valid)
    image = pictures.stretched(pixels, stretch)
    image[~raster.valid] = 255
    truth = None
    try:
        with LabelDecoder(table, labels).open(source, grid) as reader:
            truth = reader.read(window, downsample)
    except EosegError:
        truth = None  # a map of a tile whose truth is not usable is still worth looking at
    return Overview(image, truth, predicted, (window.height, window.width), downsample)


def map_pictures(tile: str, map_file: Path, overview: Overview, table: ClassTable, most_side_px: int) -> MapPictures:
    """The overview as layers for the page, with errors where there is a truth."""
    layers = layers_of(Ground(overview.image, overview.predicted, overview.truth), table, most_side_px)
    return MapPictures(tile, map_file, *overview.shape, overview.downsample, layers)


def side_by_side(overview: Overview, table: ClassTable) -> Image.Image:
    """Tile and map beside each other over a legend, as one picture on white."""
    height, width = overview.predicted.shape
    total = 2 * width + 3 * _MARGIN
    font = ImageFont.load_default(_FONT_PX)
    rows = _legend_rows(table, total - 2 * _MARGIN, font)
    canvas = Image.new("RGB", (total, height + 2 * _MARGIN + _LEGEND_ROW * len(rows)), _PAPER)
    canvas.paste(Image.fromarray(overview.image), (_MARGIN, _MARGIN))
    classes = pictures.class_picture(overview.predicted, table).convert("RGBA")
    canvas.paste(classes, (2 * _MARGIN + width, _MARGIN), classes)
    draw = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        top = height + 2 * _MARGIN + number * _LEGEND_ROW
        for left, class_id in row:
            box = (_MARGIN + left, top, _MARGIN + left + _FONT_PX, top + _FONT_PX)
            draw.rectangle(box, fill=table.colors[class_id], outline=_EDGE)
            draw.text((box[2] + 6, top - 2), table.names[class_id], fill=_INK, font=font)
    return canvas


def write_map_picture(overview: Overview, table: ClassTable, path: Path) -> Path:
    """Writes `side_by_side` as a PNG, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        side_by_side(overview, table).save(part, "png", optimize=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _legend_rows(table: ClassTable, width: int, font: Any) -> list[list[tuple[int, int]]]:
    """Rows of (left, class id), broken where the next name would not fit."""
    rows: list[list[tuple[int, int]]] = [[]]
    left = 0
    for class_id, name in enumerate(table.names):
        needed = _FONT_PX + 6 + round(font.getlength(name)) + 18
        if rows[-1] and left + needed > width:
            rows.append([])
            left = 0
        rows[-1].append((left, class_id))
        left += needed
    return rows
