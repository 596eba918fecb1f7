"""One tile of a data set: where its image and label lie, and which split it belongs to."""

import re
from typing import Literal

from pydantic import Field

from components.geo.bands import IMAGE
from components.geo.window import Window
from components.options import Options

Split = Literal["train", "eval", "test"]
SPLITS: tuple[Split, ...] = ("train", "eval", "test")

_BLOCK_ID = re.compile(r"(.+)/r\d+c\d+", re.DOTALL)


class TileSource(Options):
    """A tile with its label, or a part of one. Paths are local or GDAL's (`s3://`, `/vsi...`), and may hold spaces."""

    tile: str
    """The tile's id: unique in the data set."""
    image: str
    """The raster whose grid is the tile's."""
    rasters: dict[str, str] = Field(default_factory=dict)
    """Further rasters of the same ground, by name (`dsm`)."""
    label: str = ""
    """The label raster or vector file; empty where `masks` are given."""
    masks: dict[str, str] = Field(default_factory=dict)
    """Class name -> binary raster."""
    ignore: str = ""
    """A raster that marks pixels which the eroded truth leaves out (ISPRS noBoundary), or empty."""
    area_of_interest: str = ""
    """A vector file: what lies outside its polygons has no truth. Empty where all of the tile counts."""
    split: Split
    area: Window | None = None
    """The part of the tile that this source stands for, in tile pixels; None is all of it."""
    date: str = ""
    """When it was taken, as ISO 8601; empty where unknown."""

    @property
    def whole_tile(self) -> str:
        """The id of the tile that this is a ground block of (`a` of `a/r2c3`); its own id where it is none."""
        block = _BLOCK_ID.fullmatch(self.tile) if self.area is not None else None
        return block.group(1) if block else self.tile

    @property
    def all_rasters(self) -> dict[str, str]:
        """Every raster by name, the image among them."""
        return {IMAGE: self.image, **self.rasters}

    @property
    def label_files(self) -> tuple[str, ...]:
        """The files that hold the truth."""
        return (self.label,) if self.label else tuple(self.masks.values())

    @property
    def files(self) -> tuple[str, ...]:
        """All files, the image first."""
        others = tuple(path for path in (self.ignore, self.area_of_interest) if path)
        return (self.image, *self.rasters.values(), *self.label_files, *others)


class TileList(Options):
    """The tiles of a data set, as they travel to a step of the pipeline."""

    tiles: tuple[TileSource, ...]
