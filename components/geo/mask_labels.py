"""Labels given as one binary raster a class."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable
from components.errors import LabelError
from components.geo.aligned_raster import AlignedRaster
from components.geo.label_reader import IgnoreReader, LabelReader
from components.geo.raster import Grid
from components.geo.window import Window


class MaskLabelReader(LabelReader):
    """Reads masks one over the other; a pixel belongs to a mask where any band is not zero and it is not nodata.

    Args:
        masks: (class id or `VOID_ID`, mask on the image's grid), at least one.
        grid: The image's.
        table: For the classes' names.
        background: The id of pixels that no mask claims.
        overlap: What becomes of a pixel that two classes claim.
        ignore: The eroded truth beside them.
    """

    def __init__(
        self,
        masks: Sequence[tuple[int, AlignedRaster]],
        grid: Grid,
        table: ClassTable,
        background: int,
        overlap: Literal["last", "void", "error"],
        ignore: IgnoreReader | None = None,
    ) -> None:
        super().__init__(grid, masks[0][1].raster, ignore, resamples=not masks[0][1].is_one_to_one)
        # In the order of the classes, whatever the order of the files; the void mask comes last and claims all.
        self._masks = sorted(masks, key=lambda mask: mask[0])
        self._table = table
        self._background = background
        self._overlap = overlap

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """See `LabelReader.read`."""
        ids = self._claims(window, downsample)
        ids[ids == UNKNOWN_ID] = self._background
        return ids

    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """Class ids; `UNKNOWN_ID` where no mask claims the pixel."""
        return self._claims(window, 1).astype(np.int64)

    def describe(self, raw: int) -> str:
        """`mask roof`."""
        if raw < len(self._table):
            return f"mask {self._table.names[raw]}"
        return "void" if raw == VOID_ID else "no mask"

    def _claims(self, window: Window, downsample: int) -> NDArray[np.uint8]:
        """Which mask claims each pixel; `UNKNOWN_ID` for none."""
        shape = (window.height // downsample, window.width // downsample)
        ids = np.full(shape, UNKNOWN_ID, np.uint8)
        outside = np.zeros(shape, np.bool_)
        for class_id, mask in self._masks:
            found = mask.read(window, downsample)
            colormap = mask.raster.colormap
            pixels = found.pixels if colormap is None else colormap[found.pixels[..., 0]]
            claimed = (pixels != 0).any(axis=-1) & found.valid
            if found.outside is not None:
                outside |= found.outside
            if class_id != VOID_ID:
                twice = claimed & (ids != UNKNOWN_ID)
                if self._overlap != "last" and twice.any():
                    self._refuse(twice, ids, class_id, mask, window, downsample)
                    ids[twice] = VOID_ID
                    claimed &= ~twice
            ids[claimed] = class_id
        ids[outside] = VOID_ID  # a class may lie there that nobody drew
        return ids

    def _refuse(
        self,
        twice: NDArray[np.bool_],
        ids: NDArray[np.uint8],
        class_id: int,
        mask: AlignedRaster,
        window: Window,
        downsample: int,
    ) -> None:
        if self._overlap != "error":
            return
        row, col = (int(places[0]) for places in np.nonzero(twice))
        other = self._table.names[int(ids[row, col])]
        middle = downsample // 2
        raise LabelError(
            f"{mask.raster.path} claims {np.count_nonzero(twice):,} pixels that another mask claims too, first at row "
            f"{window.row + row * downsample + middle}, column {window.col + col * downsample + middle}: "
            f"{self._table.names[class_id]} and {other}",
            "one mask a pixel",
            "correct the masks, or set labels.overlap to last (the later class counts) or void",
        )
