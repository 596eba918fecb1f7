"""Writes labels of any kind as an index raster or in colours; each is read back as the same class ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, encode_colors
from components.errors import LabelError
from components.geo.class_geotiff import BLOCK, create_geotiff, describe_classes, void_color
from components.geo.label_reader import LabelReader
from components.geo.window import Window

LabelForm = Literal["index", "colors"]

_STRIP_PIXELS = 4_000_000


@dataclass(frozen=True)
class Converted:
    """What was written: pixels of each class in id order, void ones, and unknown ones among the void."""

    by_class: tuple[int, ...]
    void: int
    unknown: int


def convert_labels(
    label: LabelReader, path: str | Path, table: ClassTable, form: LabelForm, *, unknown_as_void: bool = False
) -> Converted:
    """Writes a tile's labels on its image's grid, as a tiled, deflated GeoTIFF, whole or not at all.

    `index`: one band of class ids from 0, void 255 (the nodata tag), with the classes' colours as its palette, so that
    it reads as `kind: index, first: 0` and as `kind: colors` alike. `colors`: red, green and blue.

    Args:
        label: The open labels.
        path: A local path; its folder is made, a file of this name is replaced.
        table: The classes.
        form: Of the file.
        unknown_as_void: Whether pixels that mean no class become void, instead of being an error.

    Raises:
        LabelError: On unknown pixels, on void pixels without a void colour to write them in, and if the label raster
            is not of the image's size.
        RasterError: If the labels cannot be read, or the file not written.
    """
    path = Path(path)
    _check_size(label)
    counts = np.zeros(256, np.int64)
    unknown: dict[int, int] = {}
    shape = label.grid.height, label.grid.width
    as_index = form == "index"
    with create_geotiff(
        path, shape, label.grid.georeference, 1 if as_index else 3, nodata=VOID_ID if as_index else None
    ) as dataset:
        if as_index:
            describe_classes(dataset, table, (*void_color(table), 255))
        for window in _strips(*shape):
            ids = label.read(window)
            counts += np.bincount(ids.ravel(), minlength=256)
            if (ids == UNKNOWN_ID).any():
                _count_unknown(unknown, label.read_raw(window)[ids == UNKNOWN_ID])
                ids[ids == UNKNOWN_ID] = VOID_ID
            pixels = ids[None] if as_index else encode_colors(ids, table, void_color(table)).transpose(2, 0, 1)
            dataset.write(pixels, window=RasterioWindow(window.col, window.row, window.width, window.height))
        if unknown and not unknown_as_void:
            raise _unknown_error(label, unknown, path)
        if form == "colors" and not table.void and counts[VOID_ID] + counts[UNKNOWN_ID]:
            raise LabelError(
                f"{path.name} would have {counts[VOID_ID] + counts[UNKNOWN_ID]:,} void pixels, for which the "
                "configuration has no colour",
                "a void colour",
                "add one: void: [{name: unlabelled, color: [155, 155, 155]}], or convert to index",
            )
    return Converted(
        by_class=tuple(int(n) for n in counts[: len(table)]),
        void=int(counts[VOID_ID] + counts[UNKNOWN_ID]),
        unknown=int(counts[UNKNOWN_ID]),
    )


def _strips(height: int, width: int) -> Iterator[Window]:
    """Whole rows of blocks, so that none is compressed twice."""
    rows = max(BLOCK, _STRIP_PIXELS // width // BLOCK * BLOCK)
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def _check_size(label: LabelReader) -> None:
    """A larger label read one to one would be cut off in silence."""
    raster, grid = label.raster, label.grid
    if raster is None or label.resamples or (raster.height, raster.width) == (grid.height, grid.width):
        return
    raise LabelError(
        f"{raster.path} has {raster.height} x {raster.width} pixels (height x width), its image {grid.height} x "
        f"{grid.width}",
        "a label of the image's size",
        "crop or warp it onto the image's grid by nearest neighbour, or set labels.resample: true",
    )


def _count_unknown(seen: dict[int, int], raw: NDArray[np.int64]) -> None:
    values, counts = np.unique(raw, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        seen[value] = seen.get(value, 0) + count


def _unknown_error(label: LabelReader, unknown: dict[int, int], path: Path) -> LabelError:
    frequent = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{label.describe(raw)} ({count:,} px)" for raw, count in frequent[:5])
    more = f" and {len(frequent) - 5:,} more" if len(frequent) > 5 else ""
    source = label.raster.path if label.raster is not None else path.name
    return LabelError(
        f"{source} has {sum(unknown.values()):,} pixels that mean no class: {named}{more}",
        "labels of the configuration's classes and void alone",
        "add them to the configuration (labels.tolerance takes in colours that compression has changed), or write them "
        "as void: --unknown-as-void",
    )
