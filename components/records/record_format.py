"""What every reader of a data set's records must know: it travels to the trainer and the evaluator as one object."""

from typing import Literal

from pydantic import Field, PositiveInt

from components.classes import ClassTable
from components.geo.bands import BandSet
from components.options import Options


class RecordFormat(Options):
    """The shape of the records of one data set."""

    patch_size: PositiveInt
    """Pixels a side of the square patch, after `downsample`."""
    bands: tuple[str, ...] = Field(min_length=1)
    """Band names in record order."""
    band_set: BandSet | None = None
    """How those bands are made from a tile's rasters; None takes the image's own bands in order."""
    dtype: Literal["uint8", "uint16", "int16", "float32"]
    downsample: PositiveInt = 1
    """How many tile pixels make a side of one patch pixel: the image is averaged before it is cut into patches."""
    table: ClassTable
