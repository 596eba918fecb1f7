"""A tile read once from top to bottom, in strips as high as a row of patches."""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contract import ModelContract
from components.errors import RasterError
from components.geo.image import ImageReader
from components.geo.raster import Raster
from components.geo.window import Window
from components.mapping.patch_axis import PatchAxis, reflected


class TileStrips:
    """Patches of a tile at the model's resolution, and which of its pixels are valid; a row of patches in memory.

    Use it in a `with` block: the next strip is read ahead by a thread, while this one's patches are scored.

    Args:
        reader: The tile.
        contract: Of the model.

    Attributes:
        height, width: Of the tile in patch pixels.

    Raises:
        RasterError: If the tile does not fit the model.
    """

    def __init__(self, reader: ImageReader, contract: ModelContract) -> None:
        _check_fits(reader, contract)
        self._reader = reader
        self._size = contract.patch_size
        self._downsample = contract.downsample
        self.height = reader.height // contract.downsample
        self.width = reader.width // contract.downsample
        self._top = 0
        self._pixels = np.empty((0, self.width, len(contract.bands)), contract.dtype)
        self._valid = np.empty((0, self.width), np.bool_)
        self._unclaimed: deque[tuple[int, NDArray[np.bool_]]] = deque()
        """First row and validity of the rows that `take_valid` has not asked for, at the tile's own resolution."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="read")
        self._ahead: Future[Raster] | None = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> "TileStrips":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)  # the reader is closed next

    def cut(self, row: int, cols: PatchAxis, next_row: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Column start and pixels `(size, size, bands)` of the patches at `row`, reflected at the tile's edges.

        Rows of patches must be asked for from top to bottom; `next_row` is the one after this, and None after the last.
        Patches without a valid pixel are left out: nothing of them shows in the map.
        """
        self._read_to(row)
        if next_row is not None:
            self._begin_reading(next_row)
        lines = reflected(row, row + self._size, self.height) - self._top
        inside = row >= 0 and row + self._size <= self.height
        rows = slice(int(lines[0]), int(lines[0]) + self._size) if inside else lines
        pixels, valid = self._pixels[rows], self._valid[rows]
        valid_columns = valid.any(axis=0)
        for col in cols.starts:
            on_tile, in_patch = cols.inside(col)
            if not valid_columns[on_tile].any():
                continue
            if in_patch == slice(0, self._size):
                yield col, pixels[:, on_tile]
            else:
                yield col, pixels[:, reflected(col, col + self._size, self.width)]

    def take_valid(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which pixels of tile rows `first` to `first + count` are no nodata, `(count, tile width)` bool; in order."""
        if self._downsample > 1:
            with self._one_at_a_time:
                return self._reader.read(Window(first, 0, count, self._reader.width)).valid
        taken = []
        while count:
            top, rows = self._unclaimed.popleft()
            rows, top = rows[max(0, first - top) :], max(first, top)
            if not len(rows):
                continue
            taken.append(rows[:count])
            first += len(taken[-1])
            count -= len(taken[-1])
            if len(rows) > len(taken[-1]):
                self._unclaimed.appendleft((first, rows[len(taken[-1]) :]))
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def _read_to(self, row: int) -> None:
        """Makes the buffer hold the rows of the patches at `row`."""
        first, last = max(0, row), min(self.height, row + self._size)
        if not len(self._pixels):
            self._top = first
        have = self._top + len(self._pixels)
        keep = first - self._top
        self._pixels, self._valid, self._top = self._pixels[keep:], self._valid[keep:], first
        if have >= last:
            return
        strip = self._read(have, last) if self._ahead is None else self._ahead.result()
        self._ahead = None
        if strip.pixels.dtype.kind == "f":
            strip.pixels[~np.isfinite(strip.pixels)] = 0  # one NaN would spread over the whole patch
        self._pixels = np.concatenate([self._pixels, strip.pixels])
        self._valid = np.concatenate([self._valid, strip.valid])
        if self._downsample == 1:
            self._unclaimed.append((have, strip.valid))

    def _begin_reading(self, row: int) -> None:
        have, last = self._top + len(self._pixels), min(self.height, row + self._size)
        if last > have:
            self._ahead = self._pool.submit(self._read, have, last)

    def _read(self, first: int, last: int) -> Raster:
        window = Window(first, 0, last - first, self.width).scaled(self._downsample)
        with self._one_at_a_time:
            return self._reader.read(window, self._downsample)


def _check_fits(reader: ImageReader, contract: ModelContract) -> None:
    if reader.band_count != len(contract.bands):
        raise RasterError(
            f"{reader.path} gives {reader.band_count} band(s)",
            f"{len(contract.bands)} band(s), as the model wants them: {', '.join(contract.bands)}",
            "choose the file's bands in that order, for example --bands 1,2,3",
        )
    if reader.dtype != contract.dtype:
        raise RasterError(
            f"{reader.path} has pixels of type {reader.dtype}",
            f"{contract.dtype}, as the model was trained on",
            "give a tile of the sensor that the model was trained for, in the sensor's own numbers",
        )
    if min(reader.height, reader.width) < contract.downsample:
        raise RasterError(
            f"{reader.path} has {reader.height} x {reader.width} pixels",
            f"at least {contract.downsample} x {contract.downsample}: the model sees that many as one",
            "give a larger tile",
        )
