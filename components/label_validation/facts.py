"""What is measured in one tile: small, frozen, and the same as JSON, so that a worker can send it anywhere."""

from typing import Literal

from affine import Affine
from pydantic import Field

from components.options import Options
from components.tile_source import SPLITS, Split, TileSource


class Problem(Options):
    """Why a tile could not be read to the end."""

    code: Literal["missing-file", "unreadable", "unusable-label", "unusable"]
    file: str
    found: str
    expected: str
    remedy: str


class RasterFacts(Options):
    """A raster's grid.

    Attributes:
        height, width: In pixels.
        crs: The coordinate system in words, `none` where there is none.
        wkt: The same as WKT, empty where there is none.
        transform: (a, b, c, d, e, f) of the affine transform from (col, row) to the ground.
        pixel_size_m: (height, width) of a pixel on the ground in metres; None without coordinate system.
    """

    height: int
    width: int
    crs: str
    wkt: str
    transform: tuple[float, float, float, float, float, float]
    pixel_size_m: tuple[float, float] | None

    @property
    def affine(self) -> Affine:
        """The transform as it is used."""
        return Affine(*self.transform)


class BandFacts(Options):
    """One band's statistics over the valid sampled pixels, in the sensor's own numbers.

    Attributes:
        name: Of the band.
        pixels: How many were sampled.
        mean, stddev: Over them.
        low, high: The lowest and the highest value.
        share_low, share_high: Share of pixels that have it.
        rasters: Names of the rasters that it is read from, or derived from.
        as_stored: Whether its numbers are those in the raster; decibels and expressions are not.
    """

    name: str
    pixels: int
    mean: float
    stddev: float
    low: float
    high: float
    share_low: float
    share_high: float
    rasters: tuple[str, ...]
    as_stored: bool


class ClassColours(Options):
    """Mean and standard deviation of every band, in band order, over the sampled pixels of one class.

    Attributes:
        pixels: How many were sampled.
        mean, stddev: Over them.
        row, col: One of them, in tile pixels, where there are many.
    """

    pixels: int
    mean: tuple[float, ...]
    stddev: tuple[float, ...]
    row: int
    col: int


class UnknownValue(Options):
    """A colour or value of no class: in words, how often it was seen, and first where (row, col)."""

    text: str
    pixels: int
    row: int
    col: int


class LabelTally(Options):
    """What a tile's labels hold, at full resolution.

    Attributes:
        pixels: All pixels.
        by_class: Pixels of each class, in id order.
        void: Pixels that are void.
        unknown: Pixels of a colour or value of no class.
        unknown_values: The most frequent of those, most frequent first.
    """

    pixels: int
    by_class: tuple[int, ...]
    void: int
    unknown: int
    unknown_values: tuple[UnknownValue, ...] = ()


class ShiftFacts(Options):
    """Where the label's edges fit the image best; see `components.label_validation.shift`.

    Attributes:
        rows, cols: The translation of the label that fits best, in pixels (down and right are positive).
        excess_here, excess_best: Image gradient under the label's edges, relative to anywhere, minus one: with the
            label where it is, and translated.
        t: Student's t of the difference over the blocks.
        blocks: How many blocks had edges.
        row, col: Centre of the block that gains most, in tile pixels.
    """

    rows: int
    cols: int
    excess_here: float
    excess_best: float
    t: float
    blocks: int
    row: int
    col: int


class AreaFacts(Options):
    """What is measured of a tile and of each of its parts alike. What could not be measured is None or empty.

    Attributes:
        source: The tile, or the part.
        valid_share: Share of pixels that are not nodata.
        bands: In record order.
        tally: Of the labels.
    """

    source: TileSource
    valid_share: float | None = None
    bands: tuple[BandFacts, ...] = ()
    tally: LabelTally | None = None

    @property
    def is_blank(self) -> bool:
        """Whether every band is constant, or nothing is valid."""
        return self.valid_share == 0 or (bool(self.bands) and all(band.low == band.high for band in self.bands))


class PartFacts(AreaFacts):
    """A ground block of a tile; of a tile that is not cut, the tile."""


class TileFacts(AreaFacts):
    """Everything that the checks know of one tile. Of a tile in ground blocks, sums are over its blocks.

    Attributes:
        parts: Its ground blocks, each of which is in a split; one part where it is not cut.
        problem: Why it could not be read to the end, or None.
        image, label: Their grids; the label's as it is stored, None for vectors.
        crs_differ: Whether image and label have coordinate systems that differ, however they are spelt.
        label_is_resampled: Whether labels are brought onto the image's grid, so that theirs may differ.
        resampled: Names of rasters that are resampled onto the image's grid.
        dtype: NumPy name of the pixels' dtype.
        ignored_share: Share of pixels that the eroded truth leaves out; None where the tile has none.
        classes: Colours of each class, in id order; None where no valid pixel of it was sampled.
        image_digest, label_digest: Of the decoded pixels (in the tile's area, or around all its blocks), so that
            re-encoded copies have equal ones.
        shift: Where the label fits best; None for tiles that are too small or have too few edges.
        image_thumbnail, label_thumbnail: `data:` addresses of small pictures.
    """

    parts: tuple[PartFacts, ...]
    problem: Problem | None = None
    image: RasterFacts | None = None
    label: RasterFacts | None = None
    crs_differ: bool = False
    label_is_resampled: bool = False
    resampled: tuple[str, ...] = ()
    dtype: str = ""
    ignored_share: float | None = None
    classes: tuple[ClassColours | None, ...] = ()
    image_digest: str = ""
    label_digest: str = ""
    shift: ShiftFacts | None = None
    image_thumbnail: str = Field(default="", repr=False)
    label_thumbnail: str = Field(default="", repr=False)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that it, or a block of it, is in."""
        return tuple(split for split in SPLITS if any(part.source.split == split for part in self.parts))
