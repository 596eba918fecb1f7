"""Labels coded by number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.errors import ConfigError, LabelError
from components.geo.aligned_raster import AlignedRaster
from components.geo.class_names import id_of
from components.geo.label_options import IndexLabels
from components.geo.label_reader import IgnoreReader, LabelReader, settle
from components.geo.raster import Grid
from components.geo.window import Window

_EXACT_IN_FLOAT32 = 1 << 24
"""Whole numbers below this survive a float32; rasters of 32-bit integers are read as such."""

_LOWEST, _HIGHEST = -32768, 65535
"""What int16 and uint16 hold; one look-up table covers both."""


def ids_of_values(options: IndexLabels, table: ClassTable) -> dict[int, int]:
    """Pixel value -> class id or `VOID_ID`.

    Raises:
        ConfigError: If a name is no class, or a value is both a class and void.
    """
    if options.values is not None:
        return {value: id_of(name, table, f"labels.values.{value}") for value, name in options.values.items()}
    first = options.first or 0
    ids = {first + i: i for i in range(len(table))}
    for value in options.void:
        if value in ids:
            raise ConfigError(
                f"labels.void lists {value}, which labels.first: {first} makes the class {table.names[ids[value]]}",
                f"a value outside {first} to {first + len(table) - 1}",
                "correct labels.first or labels.void, or map each value by labels.values",
            )
    return ids | dict.fromkeys(options.void, VOID_ID)


class IndexLabelReader(LabelReader):
    """Reads one band of whole numbers; those that are not listed are unknown.

    Args:
        aligned: The label raster on the image's grid.
        grid: The image's.
        ids: Pixel value -> class id or `VOID_ID`.
        ignore: The eroded truth beside it.

    Raises:
        LabelError: If the raster has several bands, or cannot hold a listed value exactly.
    """

    def __init__(
        self, aligned: AlignedRaster, grid: Grid, ids: Mapping[int, int], ignore: IgnoreReader | None = None
    ) -> None:
        super().__init__(grid, aligned.raster, ignore, resamples=not aligned.is_one_to_one)
        raster = aligned.raster
        if len(raster.bands) != 1:
            raise LabelError(
                f"{raster.path} has {len(raster.bands)} bands of {raster.dtype}",
                "one band of whole numbers (labels.kind: index)",
                "for labels coded by colour set labels: {kind: colors}",
            )
        large = next((value for value in ids if abs(value) >= _EXACT_IN_FLOAT32), None)
        if large is not None and raster.dtype == "float32":
            raise LabelError(
                f"the value {large} of labels.values cannot be told apart from its neighbours in {raster.path}",
                f"values below {_EXACT_IN_FLOAT32:,}",
                "number the classes anew with smaller values",
            )
        self._aligned = aligned
        self._far = {value: i for value, i in ids.items() if not _LOWEST <= value <= _HIGHEST}
        self._table = np.full(_HIGHEST - _LOWEST + 1, UNKNOWN_ID, np.uint8)
        for value, class_id in ids.items():
            if value not in self._far:
                self._table[value - _LOWEST] = class_id
        self._byte_table = self._table[-_LOWEST : -_LOWEST + 256].copy()

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """See `LabelReader.read`; nodata is void, unless its value is listed as a class."""
        found = self._aligned.read(window, downsample)
        return settle(self._ids(found.pixels[..., 0], found.valid), found.valid, found.outside)

    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """The values themselves; 0 where a float raster holds no number."""
        found = self._aligned.read(window)
        return self._whole(found.pixels[..., 0], found.valid).astype(np.int64)

    def describe(self, raw: int) -> str:
        """`value 7`."""
        return f"value {raw}"

    def _ids(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        if values.dtype == np.uint8:
            return self._byte_table.take(values)
        if values.dtype.itemsize == 2:
            return self._table.take(values.astype(np.int32) - _LOWEST)
        whole = self._whole(values, valid).astype(np.int64)
        within = (whole >= _LOWEST) & (whole <= _HIGHEST)
        ids: NDArray[np.uint8] = self._table.take(np.where(within, whole, 0) - _LOWEST)
        if values.dtype.kind == "f":
            ids[~np.isfinite(values)] = UNKNOWN_ID  # _whole made them 0
        if within.all():
            return ids
        ids[~within] = UNKNOWN_ID
        for value, class_id in self._far.items():
            ids[whole == value] = class_id
        return ids

    def _whole(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """The values, checked to be whole numbers where they are valid."""
        if values.dtype.kind != "f":
            return values
        # Clipped, for no integer holds a nodata value of -3.4e38.
        whole = np.clip(np.where(np.isfinite(values), values, 0), -(2**31), 2**31)
        broken = (whole != np.rint(whole)) & valid
        if broken.any():
            row, col = (int(places[0]) for places in np.nonzero(broken))
            raise LabelError(
                f"{self._aligned.raster.path} holds {float(values[row, col]):g}, which is no whole number",
                "whole numbers that stand for classes (labels.kind: index)",
                "if these are probabilities or heights, it is the wrong file; if they were interpolated when the label "
                "was warped, warp it again by nearest neighbour (gdalwarp -r near)",
            )
        return whole
