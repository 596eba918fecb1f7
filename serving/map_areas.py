"""How much ground each class of a map covers, as a table."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID, ClassTable
from components.geo.pixel_area import grid_stretch, pixel_areas
from components.geo.window import Window
from serving.finished_map import FinishedMap, open_finished_map, whole_or_nothing

SQUARE_METRES_PER_HECTARE = 10_000.0

_PIXELS_AT_ONCE = 1 << 23
_STRETCH_WORTH_A_NOTE = 0.01


@dataclass(frozen=True)
class ClassArea:
    """A row of the table.

    Attributes:
        class_id: None in the rows `nodata` and `total`.
        name: Of the class.
        pixels: How many.
        square_metres: None where the map has no coordinate system.
        share: Of the valid pixels' ground (of their number without a coordinate system); None for nodata, and where
            there are none.
    """

    class_id: int | None
    name: str
    pixels: int
    square_metres: float | None
    share: float | None

    @property
    def hectares(self) -> float | None:
        """10 000 square metres each."""
        return None if self.square_metres is None else self.square_metres / SQUARE_METRES_PER_HECTARE


@dataclass(frozen=True)
class AreaTable:
    """The ground that classes cover.

    Attributes:
        classes: A row a class, in the order of their ids; classes that are absent have zeros.
        nodata: What has no class.
        total: All classes together, without nodata.
        note: What a reader of the figures must know; empty if nothing.
    """

    classes: tuple[ClassArea, ...]
    nodata: ClassArea
    total: ClassArea
    note: str


def write_areas(map_path: Path, out: Path, table: ClassTable) -> AreaTable:
    """Counts a map's pixels and writes a CSV: `class_id,class,pixels,area_m2,area_ha,share`.

    The last two rows are `nodata` and `total` (all classes; without nodata). Areas are those of `pixel_area`.

    Raises:
        MissingFileError, RasterError: If the map cannot be read, or the table not be written.
    """
    with open_finished_map(map_path, table) as finished:
        areas = measure_areas(finished, table)
    with whole_or_nothing(out, "areas") as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class_id", "class", "pixels", "area_m2", "area_ha", "share"])
        for row in (*areas.classes, areas.nodata, areas.total):
            writer.writerow(
                [
                    "" if row.class_id is None else row.class_id,
                    row.name,
                    row.pixels,
                    _number(row.square_metres, 3),
                    _number(row.hectares, 7),
                    _number(row.share, 8),
                ]
            )
    return areas


def measure_areas(finished: FinishedMap, table: ClassTable) -> AreaTable:
    """As `write_areas`, without a file."""
    grid = finished.grid
    pixels, square_metres = np.zeros(256, np.int64), np.zeros(256)
    known = True
    rows = max(1, _PIXELS_AT_ONCE // grid.width // finished.block_rows) * finished.block_rows
    for start in range(0, grid.height, rows):
        stop = min(start + rows, grid.height)
        class_ids = finished.read(start, stop)
        counts = np.bincount(class_ids.ravel(), minlength=256)
        pixels += counts
        areas = pixel_areas(grid.georeference, Window(start, 0, stop - start, grid.width))
        if areas is None:
            known = False
        elif areas.size == 1:
            square_metres += counts * areas[0, 0]
        else:
            square_metres += _weighted(class_ids, areas)
    return _table(table, pixels, square_metres if known else None, _note(finished))


def _weighted(class_ids: NDArray[np.uint8], areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(256,)` sums of areas `(height, 1)` or `(height, width)`, row by row: no array as large as the pixels."""
    sums = np.zeros(256)
    for ids, row_areas in zip(class_ids, areas, strict=True):
        if row_areas.size == 1:
            sums += np.bincount(ids, minlength=256) * row_areas[0]
        else:
            sums += np.bincount(ids, row_areas, 256)
    return sums


def _table(
    table: ClassTable, pixels: NDArray[np.int64], square_metres: NDArray[np.float64] | None, note: str
) -> AreaTable:
    measure = pixels.astype(np.float64) if square_metres is None else square_metres
    whole = float(measure[: len(table)].sum())

    def row(class_id: int | None, name: str, ids: slice, share: bool = True) -> ClassArea:
        return ClassArea(
            class_id,
            name,
            int(pixels[ids].sum()),
            None if square_metres is None else float(square_metres[ids].sum()),
            float(measure[ids].sum()) / whole if share and whole else None,
        )

    return AreaTable(
        classes=tuple(row(i, name, slice(i, i + 1)) for i, name in enumerate(table.names)),
        nodata=row(None, "nodata", slice(VOID_ID, VOID_ID + 1), share=False),
        total=row(None, "total", slice(0, len(table))),
        note=note,
    )


def _note(finished: FinishedMap) -> str:
    if not finished.grid.georeference.crs:
        return f"{finished.path.name} has no coordinate system: pixels are counted, areas are left empty"
    stretch = grid_stretch(finished.grid)
    if stretch is None or abs(stretch - 1) <= _STRETCH_WORTH_A_NOTE:
        return ""
    return (
        f"areas are those on the grid of {finished.path.name}, which are {stretch:.3g} times those on the ground: "
        "for areas on the ground, predict a tile in an equal-area system or in the UTM zone"
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
