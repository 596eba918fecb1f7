"""What form a data set's labels have, and how they become class ids."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, field_validator, model_validator

from components.options import Options

VOID = "void"
"""Stands for void where an option maps something to a class."""


class IgnoreOptions(Options):
    """How the raster of an eroded truth (`data.ignore`; ISPRS noBoundary) marks the pixels that do not count."""

    value: int | tuple[int, ...] = 0
    """The value that all bands hold there, or one value a band (of a palette raster: red, green, blue)."""


class _Labels(Options):
    ignore: IgnoreOptions = IgnoreOptions()
    """Only of use where `data.ignore` names rasters."""


class ColorLabels(_Labels):
    """Rasters read through their colours: three bands of uint8, or one band with a palette."""

    kind: Literal["colors"] = "colors"
    """Labels are colours."""
    tolerance: int = Field(default=0, ge=0, le=64)
    """How far each channel may lie from a class's colour, for label files that were compressed with loss. 0 is strict.
    A colour within reach of two classes goes to the nearer one, by the largest channel difference; of two that are
    equally near, to neither."""
    resample: bool = False
    """Take labels on another grid or in another coordinate system than the image's, by nearest neighbour. False makes
    it an error."""


class IndexLabels(_Labels):
    """One-band integer rasters whose pixel values stand for classes.

    Numbers mean nothing by themselves, so one of `first` and `values` has to be said.
    """

    kind: Literal["index"]
    """Labels are numbers."""
    first: int | None = None
    """The value of the first class; the others follow in order. Other values are unknown, unless listed in `void`."""
    values: dict[int, str] | None = None
    """Value -> name of a class, or `void`. Several values may mean one class."""
    void: tuple[int, ...] = ()
    """Values that are void, with `first`."""
    resample: bool = False
    """As of `kind: colors`: take labels on another grid than the image's, by nearest neighbour."""

    @model_validator(mode="after")
    def _said(self) -> "IndexLabels":
        if (self.first is None) == (self.values is None):
            raise ValueError("give either `first` (the value of the first class) or `values` (value: class)")
        if self.values is not None and self.void:
            raise ValueError("`void` goes with `first`; with `values`, write `VALUE: void`")
        return self


class MaskLabels(_Labels):
    """One binary raster a class (`data.labels` maps class names to patterns): not zero is the class.

    A mask may also be named `void`: what it claims is void, whatever the others claim.
    """

    kind: Literal["masks"]
    """Labels are binary rasters, one a class."""
    background: str = VOID
    """The class of pixels that no mask claims, or `void`."""
    overlap: Literal["last", "void", "error"] = "error"
    """A pixel that two masks claim: the later class of `classes`, void, or an error."""
    resample: bool = False
    """As of `kind: colors`: take labels on another grid than the image's, by nearest neighbour."""


class VectorLabels(_Labels):
    """Polygons and lines, rasterised on the image's grid.

    GeoJSON, GeoPackage, Shapefile (what OGR reads), or a CSV with a WKT column as in DSTL. Geometries are warped from
    their own coordinate system to the image's.
    """

    kind: Literal["vectors"]
    """Labels are polygons and lines."""
    attribute: str
    """The attribute that holds the class."""
    values: dict[str, str] | None = None
    """Attribute value (as text) -> class name or `void`; None takes the attribute as the class's name. Values that mean
    no class are unknown pixels, not background."""
    layer: str | None = None
    """The layer of the file; None takes the first."""
    background: str = VOID
    """The class of pixels that no geometry covers, or `void`."""
    burn_order: tuple[str, ...] = ()
    """Class names from bottom to top: later ones cover earlier ones. Classes that are not listed lie below, in the
    order of `classes`; void, where not listed, on top."""
    all_touched: bool = False
    """Burn every pixel that a geometry touches, not only those whose centre it covers."""
    line_width_m: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    """Class name -> width in metres to which its lines (and points) are widened; others are one pixel wide."""
    crs: str | None = None
    """Overrides the file's coordinate system (a CSV has none)."""
    coordinates: Literal["ground", "pixel", "unit"] = "ground"
    """`pixel`: (col, row) of the image. `unit`: as in DSTL, x from 0 to x_max and y from 0 down to y_min of
    `grid_sizes`."""
    wkt_column: str = "WKT"
    """Of a CSV: the column that holds the geometry as WKT."""
    tile_column: str | None = None
    """The attribute that says to which tile a geometry belongs; None takes all that lie on the tile."""
    grid_sizes: str | None = None
    """A CSV for `coordinates: unit`: the tile in its first column, and columns x_max and y_min (also Xmax, Ymin)."""

    @field_validator("values", mode="before")
    @classmethod
    def _values_are_text(cls, values: object) -> object:
        # YAML reads `1: building` as a number, `no: void` as a truth value; attributes are compared as text.
        return {value_text(value): name for value, name in values.items()} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _grid_sizes_for_unit(self) -> "VectorLabels":
        if (self.coordinates == "unit") != (self.grid_sizes is not None):
            raise ValueError("`coordinates: unit` and `grid_sizes` go together")
        if self.coordinates == "pixel" and self.crs is not None:
            raise ValueError("`crs` is for `coordinates: ground`")
        return self


def value_text(value: object) -> str:
    """An attribute's value as it is written in `values`: whole numbers without a point, truth values in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


LabelOptions = Annotated[ColorLabels | IndexLabels | MaskLabels | VectorLabels, Field(discriminator="kind")]
