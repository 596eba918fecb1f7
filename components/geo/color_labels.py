"""Labels coded by colour."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable, ColorDecoder
from components.errors import LabelError
from components.geo.aligned_raster import AlignedPixels, AlignedRaster
from components.geo.geotiff import RasterReader
from components.geo.label_reader import IgnoreReader, LabelReader, settle
from components.geo.raster import Grid
from components.geo.window import Window

_LOOK_AT_PIXELS = 16_000_000
"""How many pixels of a refused label are looked through for its values."""

_MOST_VALUES = 20


class ColorLabelReader(LabelReader):
    """Reads three bands of uint8, or one band with a palette, through their colours.

    Raises:
        LabelError: If the raster is neither.
    """

    def __init__(
        self,
        aligned: AlignedRaster,
        grid: Grid,
        decoder: ColorDecoder,
        table: ClassTable,
        ignore: IgnoreReader | None = None,
    ) -> None:
        super().__init__(grid, aligned.raster, ignore, resamples=not aligned.is_one_to_one)
        _check_is_colored(aligned.raster, table)
        self._aligned = aligned
        self._decoder = decoder
        # The numbers of a palette raster mean nothing: their order differs from file to file. Its colours do.
        self._colormap = aligned.raster.colormap
        self._id_of_index = None if self._colormap is None else decoder.decode(self._colormap[None])[0]

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """See `LabelReader.read`; nodata of a colour off the palette is void."""
        found = self._aligned.read(window, downsample)
        if self._id_of_index is not None:
            ids: NDArray[np.uint8] = self._id_of_index[found.pixels[..., 0]]
        else:
            ids = self._decoder.decode(found.pixels)
        return settle(ids, found.valid, found.outside)

    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """Colours, packed as `red << 16 | green << 8 | blue`."""
        colors = self._colors(self._aligned.read(window)).astype(np.int64)
        packed: NDArray[np.int64] = colors[..., 0] << 16 | colors[..., 1] << 8 | colors[..., 2]
        return packed

    def describe(self, raw: int) -> str:
        """`160,32,240`."""
        return f"{raw >> 16},{raw >> 8 & 255},{raw & 255}"

    def _colors(self, found: AlignedPixels) -> NDArray[np.uint8]:
        return found.pixels if self._colormap is None else self._colormap[found.pixels[..., 0]]


def _check_is_colored(raster: RasterReader, table: ClassTable) -> None:
    if raster.dtype == "uint8" and (raster.colormap is not None or len(raster.bands) == 3):
        return
    problem = f"{raster.path} has {len(raster.bands)} band(s) of {raster.dtype} and no palette"
    expected = "a colour-coded label: red, green and blue bands of uint8, or one band with a palette"
    remedy = "write the label in the colours of the configuration's classes"
    if len(raster.bands) == 1:
        values = _values_of(raster)
        if values is not None:
            found = ", ".join(map(str, values[:_MOST_VALUES])) + (" and more" if len(values) > _MOST_VALUES else "")
            problem += f"; its values are {found}"
            remedy = f"if these numbers stand for the classes, say so: {_index_options(values, table)}"
    raise LabelError(problem, expected, remedy)


def _values_of(raster: RasterReader) -> list[int] | None:
    """The different valid values in the first rows of a one-band raster, sorted; None if they are no whole numbers."""
    values: set[float] = set()
    for window in _first_rows(raster):
        found = raster.read(window, nearest=True)
        values.update(np.unique(found.pixels[..., 0][found.valid]).tolist())
        if len(values) > 256:
            break
    if not all(float(value).is_integer() for value in values):
        return None
    return sorted(int(value) for value in values)


def _first_rows(raster: RasterReader) -> Iterator[Window]:
    rows = max(1, 1_000_000 // raster.width)
    for row in range(0, min(raster.height, max(rows, _LOOK_AT_PIXELS // raster.width)), rows):
        yield Window(row, 0, min(rows, raster.height - row), raster.width)


def _index_options(values: list[int], table: ClassTable) -> str:
    """The lines of configuration that these values would fit."""
    fits = []
    for first in (0, 1):
        others = [value for value in values if not first <= value < first + len(table)]
        if len(others) <= 1 and len(others) < len(values):
            void = f", void: {others}" if others else ""
            line = f"labels: {{kind: index, first: {first}{void}}}  ({first} is {table.names[0]})"
            fits.append((len(others), line))
    if fits:
        return ", or ".join(line for _, line in sorted(fits))  # what needs no void first
    start = ", ".join(f"{value}: {name}" for value, name in zip(values, table.names, strict=False))
    return f"labels: {{kind: index, values: {{{start}}}}}  (put the right names)"
