"""What reads a tile's labels, whatever form they have."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID
from components.errors import LabelError
from components.geo.aligned_raster import AlignedRaster
from components.geo.geotiff import RasterReader
from components.geo.label_options import IgnoreOptions
from components.geo.raster import Grid
from components.geo.window import Window


class IgnoreReader:
    """Says which pixels the eroded truth of a tile leaves out.

    Raises:
        LabelError: If the raster has another number of bands than the options have values.
    """

    def __init__(self, raster: AlignedRaster, options: IgnoreOptions) -> None:
        colormap = raster.raster.colormap
        bands = raster.raster.band_count if colormap is None else 3
        if isinstance(options.value, tuple) and len(options.value) != bands:
            raise LabelError(
                f"labels.ignore.value has {len(options.value)} numbers, {raster.raster.path} has {bands} band(s)",
                "one number for all bands, or one a band",
                "correct labels.ignore.value",
            )
        self._raster = raster
        self._value = options.value

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.bool_]:
        """`(height // downsample, width // downsample)` bool; True where a pixel does not count."""
        found = self._raster.read(window, downsample)
        colormap = self._raster.raster.colormap
        pixels = found.pixels if colormap is None else colormap[found.pixels[..., 0]]
        ignored: NDArray[np.bool_] = (pixels == np.asarray(self._value)).all(axis=-1)
        if found.outside is not None:
            ignored |= found.outside  # nothing says that they count
        return ignored


class LabelReader(ABC):
    """A tile's open labels, on the grid of its image; made by `LabelDecoder.open`.

    Attributes:
        grid: The image's grid: windows are in its pixels.
        raster: The raster beneath (of masks the first one); None for vectors.
        resamples: Whether that raster is looked up by place, instead of pixel by pixel.
    """

    def __init__(
        self, grid: Grid, raster: RasterReader | None, ignore: IgnoreReader | None = None, *, resamples: bool = False
    ) -> None:
        self.grid = grid
        self.resamples = resamples
        self.raster = raster
        self._ignore = ignore

    @abstractmethod
    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """Class ids `(height // downsample, width // downsample)` uint8, by nearest neighbour.

        `VOID_ID` where there is no truth, `UNKNOWN_ID` where there is something that means no class.

        Raises:
            LabelError: If the window reaches beyond the label raster, or masks overlap that must not.
            RasterError: If the file cannot be read there.
        """

    @abstractmethod
    def read_raw(self, window: Window) -> NDArray[np.int64]:
        """`(height, width)` int64: what the labels themselves hold, one number a pixel, for `describe`.

        The numbers mean something to this reader alone.
        """

    @abstractmethod
    def describe(self, raw: int) -> str:
        """A number of `read_raw` in words: `160,32,240`, `value 7`, `landuse 'orchard'`."""

    def read_ignored(self, window: Window, downsample: int = 1) -> NDArray[np.bool_] | None:
        """Which pixels the eroded truth beside the labels leaves out, or None where there is no such raster.

        `(height // downsample, width // downsample)` bool; `read` gives the full truth whatever this says.
        """
        return None if self._ignore is None else self._ignore.read(window, downsample)


def settle(
    class_ids: NDArray[np.uint8], valid: NDArray[np.bool_], outside: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """Makes nodata void, in place, except where its value was listed as a class: what a person wrote wins over a tag.

    Pixels outside the label raster are void in any case.
    """
    if not valid.all():
        class_ids[(class_ids == UNKNOWN_ID) & ~valid] = VOID_ID
    if outside is not None:
        class_ids[outside] = VOID_ID
    return class_ids
