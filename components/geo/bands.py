"""Which bands a record holds, and how each is made from a tile's rasters."""

import keyword
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from components.geo.expression import Expression, evaluation_order, parse_expression
from components.options import Options

IMAGE = "image"
"""The raster whose grid is the tile's: every other raster is resampled to it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Despeckle(Options):
    """A speckle filter for radar intensities, applied before decibels are taken.

    Source: J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE PAMI 2, 1980.
    """

    filter: Literal["lee"] = "lee"
    """Which filter: Lee's of local statistics."""
    size: PositiveInt = 7
    """Pixels a side of the window; odd."""
    looks: PositiveFloat = 1.0
    """Equivalent number of looks of the product: speckle has the variance 1 / looks relative to the squared mean."""

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0 or size < 3:
            raise ValueError(f"a window of {size} px has no centre pixel; use an odd size of at least 3")
        return size


class Band(Options):
    """One band: read from a raster (by number or by description), or derived from other bands by an expression.

    Raises:
        pydantic.ValidationError: If it is neither read nor derived, or both.
    """

    name: str = Field(min_length=1)
    raster: str = IMAGE
    """Name of the raster it is read from: `image`, or a key of `data.rasters`."""
    number: PositiveInt | None = None
    """Band number in that raster, from 1."""
    description: str | None = None
    """The band's description (name) in the file, instead of its number."""
    expression: str | None = None
    """Arithmetic over the names of other bands: `(nir - red) / (nir + red)`, evaluated in float32 window by window.
    Pixels where it is not finite are nodata."""
    despeckle: Despeckle | None = None
    decibel: Literal["intensity", "amplitude"] | None = None
    """10 log10 of an intensity or 20 log10 of an amplitude. Of complex numbers the modulus is read, which is an
    amplitude; either word then gives 20 log10 of it. Pixels without a logarithm are nodata."""
    recorded: bool = True
    """False: only there for expressions."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Band":
        origins = [key for key in ("number", "description", "expression") if getattr(self, key) is not None]
        if len(origins) != 1:
            given = " and ".join(origins) or "none of number, description and expression"
            raise ValueError(f"band {self.name} gives {given}; give one of the three")
        if self.expression is not None and (self.raster != IMAGE or self.despeckle or self.decibel):
            raise ValueError(
                f"band {self.name} is an expression: raster, despeckle and decibel belong to the bands that it uses"
            )
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it is a band of the image, in the sensor's own numbers."""
        return self.raster == IMAGE and self.expression is None and not (self.despeckle or self.decibel)

    @property
    def choice(self) -> int | str:
        """Its number or its description in its raster.

        Raises:
            ValueError: If it is derived.
        """
        choice = self.description if self.number is None else self.number
        if choice is None:
            raise ValueError(f"band {self.name} is derived from other bands")
        return choice


class BandSet(Options):
    """The bands of a data set, in record order.

    Raises:
        pydantic.ValidationError: If a name stands twice, no band is recorded, the name of a band that expressions
            could use is no identifier, or an expression is none, names what is no band, or goes in a circle.
    """

    bands: tuple[Band, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> "BandSet":
        names = [band.name for band in self.bands]
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise ValueError(f"band {twice} stands twice")
        if not self.names:
            raise ValueError("every band has recorded: false; leave at least one recorded")
        if any(band.expression is not None for band in self.bands):
            odd = next((name for name in names if not _NAME.fullmatch(name) or keyword.iskeyword(name)), None)
            if odd is not None:
                raise ValueError(f"band name '{odd}' cannot stand in an expression; use letters, digits and _")
        self.expressions  # noqa: B018 raises
        return self

    @classmethod
    def of_numbers(cls, numbers: Sequence[int], names: Sequence[str] | None = None) -> "BandSet":
        """Plain bands of the image, in this order."""
        names = names or [f"band {number}" for number in numbers]
        return cls(bands=tuple(Band(name=n, number=i) for i, n in zip(numbers, names, strict=True)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the recorded bands, in record order."""
        return tuple(band.name for band in self.bands if band.recorded)

    @property
    def rasters(self) -> tuple[str, ...]:
        """Names of the rasters that are read, the image first whether bands are read from it or not."""
        others = [band.raster for band in self.bands if band.expression is None and band.raster != IMAGE]
        return (IMAGE, *dict.fromkeys(others))

    @property
    def expressions(self) -> dict[str, Expression]:
        """The derived bands' expressions by band name, each after those that it uses."""
        names = [band.name for band in self.bands]
        found = {
            band.name: parse_expression(band.expression, names) for band in self.bands if band.expression is not None
        }
        return {name: found[name] for name in evaluation_order(found)}

    @property
    def plain_choices(self) -> tuple[int | str, ...] | None:
        """Numbers or descriptions in the image where all bands are plain and recorded, else None."""
        if not all(band.is_plain and band.recorded for band in self.bands):
            return None
        return tuple(band.choice for band in self.bands)

    @property
    def plain_numbers(self) -> tuple[int, ...] | None:
        """Band numbers in the image where all bands are plain, recorded and given by number, else None."""
        numbers = tuple(choice for choice in self.plain_choices or () if isinstance(choice, int))
        return numbers if len(numbers) == len(self.bands) else None
