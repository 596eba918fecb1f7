"""Reads label rasters as class ids."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable, ColorDecoder
from components.errors import LabelError
from components.geo.geotiff import RasterReader, open_raster
from components.geo.label_options import ColorLabels, LabelOptions
from components.geo.raster import Grid
from components.geo.window import Window
from components.tile_source import TileSource


class LabelReader:
    """An open label raster; made by `LabelDecoder.open`.

    Attributes:
        raster: The raster beneath.
    """

    def __init__(self, raster: RasterReader, decoder: ColorDecoder) -> None:
        self.raster = raster
        self._decoder = decoder
        colormap = raster.colormap
        # The numbers of a palette raster mean nothing: their order differs from file to file. Its colours do.
        self._id_of_index = None if colormap is None else decoder.decode(colormap[None])[0]

    def read_colors(self, window: Window) -> NDArray[np.uint8]:
        """Colours `(height, width, 3)` uint8."""
        pixels = self.raster.read(window, nearest=True).pixels
        colormap = self.raster.colormap
        return pixels if colormap is None else colormap[pixels[..., 0]]

    def read(self, window: Window, downsample: int = 1) -> NDArray[np.uint8]:
        """Class ids `(height // downsample, width // downsample)` uint8; `UNKNOWN_ID` for colours off the palette.

        Labels are only ever resampled by nearest neighbour.
        """
        pixels = self.raster.read(window, downsample, nearest=True).pixels
        if self._id_of_index is not None:
            ids: NDArray[np.uint8] = self._id_of_index[pixels[..., 0]]
            return ids
        return self._decoder.decode(pixels)


class LabelDecoder:
    """Opens the labels of one data set; keeps the colour table, which is costly to build."""

    def __init__(self, table: ClassTable, options: LabelOptions | None = None) -> None:
        self._options = options or ColorLabels()
        self._decoder = ColorDecoder(table)

    @contextmanager
    def open(self, source: TileSource, grid: Grid) -> Iterator[LabelReader]:
        """Opens a tile's labels on the grid of its image.

        Args:
            source: The tile.
            grid: The image's grid.

        Raises:
            LabelError: If it is neither.
            MissingFileError, RasterError: As `open_raster`.
        """
        del grid
        path = source.label
        with open_raster(path) as raster:
            three_bands = len(raster.bands) == 3 and raster.dtype == "uint8"
            if not three_bands and raster.colormap is None:
                raise LabelError(
                    f"{path} has {len(raster.bands)} band(s) of {raster.dtype} and no palette",
                    "a colour-coded label: red, green and blue bands of uint8, or one band with a palette",
                    "write the label in the colours of the configuration's classes",
                )
            yield LabelReader(raster, self._decoder)
