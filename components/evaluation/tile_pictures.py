"""What is left of a tile to look at: an overview, and the windows with most errors, from rows that pass once.

A picture holds every n-th pixel, so that it is small however large the tile; n is 1 for small windows. Class ids are
picked, never averaged; the image is averaged over n x n pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.count_window import block_parts
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.slices import WorstWindow, worst_windows
from components.geo.image import ImageReader
from components.geo.window import Window

OVERVIEW_PX = 1024
CUTOUT_PX = 512
"""No side of a picture is longer."""

_MOST_BANDS = 3


@dataclass(frozen=True)
class Layers:
    """Truth, prediction and confidence of some rows, each `(rows, width)` uint8.

    Attributes:
        truth: Class ids, `VOID_ID` where nothing is counted.
        predicted: Class ids, `VOID_ID` at nodata.
        confidence: In percent, 255 at nodata.
    """

    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    confidence: NDArray[np.uint8]

    def part(self, rows: slice, cols: slice) -> "Layers":
        """Some rows and columns, copied."""
        return Layers(
            self.truth[rows, cols].copy(), self.predicted[rows, cols].copy(), self.confidence[rows, cols].copy()
        )


@dataclass(frozen=True)
class Picture:
    """A window of a tile on a grid `step` times as coarse: `height // step` rows, `width // step` columns.

    Attributes:
        window: In tile pixels.
        step: Tile pixels a side of a picture pixel.
        image: `(rows, cols, bands)` in the sensor's own numbers, of the first bands, at most three; 0 at nodata.
        layers: `(rows, cols)` each.
    """

    window: Window
    step: int
    image: NDArray[Any]
    layers: Layers


class RowPicker:
    """Every n-th row and column of a window, collected from top to bottom.

    Args:
        window: In tile pixels.
        most_px: No side of the picture is longer.
    """

    def __init__(self, window: Window, most_px: int) -> None:
        self.window = window
        self.step = min(-(-max(window.height, window.width) // most_px), window.height, window.width)
        self._rows: list[Layers] = []

    def add(self, part: Window, layers: Layers) -> None:
        """Takes the next rows; `part` is as wide as the window, and `layers` show it."""
        middle, step = self.step // 2, self.step
        first = part.row - self.window.row
        # Of each square that lies in the window as a whole, the pixel right below its middle, as GDAL picks.
        last = min(first + part.height, self.window.height // step * step)
        rows = slice((middle - first) % step, max(0, last - first), step)
        picked = layers.part(rows, slice(middle, self.window.width // step * step, step))
        if len(picked.truth):
            self._rows.append(picked)

    def layers(self) -> Layers:
        """What was picked."""
        return Layers(
            np.concatenate([rows.truth for rows in self._rows]),
            np.concatenate([rows.predicted for rows in self._rows]),
            np.concatenate([rows.confidence for rows in self._rows]),
        )

    def picture(self, image: ImageReader) -> Picture:
        """With the image's pixels."""
        pixels = image.read(self.window, self.step).pixels[..., :_MOST_BANDS]
        return Picture(self.window, self.step, np.ascontiguousarray(pixels), self.layers())


class WorstCutouts:
    """The blocks of a tile with the highest share of errors, with their pixels; in memory no more than a row of blocks.

    Args:
        tile: The tile's id.
        tile_shape: Its height and width.
        frame: The part of it that is evaluated; blocks are cut at its edges.
        class_count: K.
        options: With the side of the blocks.
        how_many: At most.
        ignored_ids: Classes whose truth counts as void.
    """

    def __init__(
        self,
        tile: str,
        tile_shape: tuple[int, int],
        frame: Window,
        class_count: int,
        options: CountingOptions,
        how_many: int,
        ignored_ids: Sequence[int] = (),
    ) -> None:
        self._tile = tile
        self._ignored_ids = tuple(ignored_ids)
        self._shapes = {tile: tile_shape}
        self._frame = frame
        self._block_px = options.block_px
        self._how_many = how_many
        self._counts = EvaluationCounts.none(class_count, options)
        """Of the worst so far, and of the blocks that are not complete."""
        self._pickers: dict[Unit, RowPicker] = {}
        self._worst: list[WorstWindow] = []

    def add(self, window: Window, counts: EvaluationCounts, layers: Layers) -> None:
        """Takes the next rows of the frame, with their counts."""
        if not self._how_many:
            return
        self._counts += counts
        for unit, part in block_parts(self._tile, window, self._block_px):
            if unit not in self._pickers:
                self._pickers[unit] = RowPicker(self._block(unit), CUTOUT_PX)
            rows = slice(part.row - window.row, part.row_stop - window.row)
            cols = slice(part.col - window.col, part.col_stop - window.col)
            self._pickers[unit].add(part, layers.part(rows, cols))
        self._drop_the_better(window.row_stop)

    def found(self, image: ImageReader) -> list[tuple[WorstWindow, Picture]]:
        """The worst first."""
        return [(worst, self._pickers[self._unit(worst)].picture(image)) for worst in self._worst]

    def _drop_the_better(self, done_rows: int) -> None:
        complete = {unit for unit, picker in self._pickers.items() if picker.window.row_stop <= done_rows}
        if not complete:
            return
        candidates = self._counts.where(lambda unit: unit in complete)
        self._worst = worst_windows(candidates, self._shapes, self._how_many, ignored_ids=self._ignored_ids)
        gone = complete - {self._unit(worst) for worst in self._worst}
        self._counts = self._counts.where(lambda unit: unit not in gone)
        for unit in gone:
            del self._pickers[unit]

    def _unit(self, worst: WorstWindow) -> Unit:
        if self._block_px is None:
            return Unit(self._tile)
        return Unit(self._tile, worst.window.row // self._block_px, worst.window.col // self._block_px)

    def _block(self, unit: Unit) -> Window:
        side = self._block_px
        if side is None:
            return self._frame
        block = self._frame.intersection(Window(unit.row * side, unit.col * side, side, side))
        return block or self._frame  # block_parts names no other blocks
