"""What an evaluation counts, unit by unit: all figures, slices and intervals are made of these sums.

A unit is a block of a tile's ground (block 0, 0 starts at the tile's upper left pixel), or a whole tile. Counts of
windows add up to those of the tile, whatever the windows: that is what a Beam combiner sums and what reports and gates
read. All are integers, so that the order of the sum does not matter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.classes import MAX_CLASSES
from components.evaluation.boundary_f1 import halo_of
from components.evaluation.calibration import DEFAULT_BINS, MAX_BINS
from components.evaluation.erosion import ISPRS_RADIUS
from components.options import Options

FULL = "full"
ERODED = "eroded"
VIEWS = (FULL, ERODED)
"""Against the truth as it is, and against the truth with eroded boundaries."""


class CountingOptions(Options):
    """How pixels are counted; counts of different options cannot be added."""

    block_px: int | None = Field(default=512, ge=16)
    """Side of a block of ground, in pixels; None makes each tile one unit. With many classes or very many tiles take
    None: a unit has `2 K^2 + 4 K + 3 bins` numbers."""
    erosion_px: int = Field(default=ISPRS_RADIUS, ge=0, le=64)
    """Radius of the disc that erodes boundaries."""
    boundary_px: int = Field(default=3, ge=0, le=64)
    """Tolerance of boundary F1."""
    bins: int = Field(default=DEFAULT_BINS, ge=1, le=MAX_BINS)
    """Of the reliability curve."""

    @property
    def halo(self) -> int:
        """The pixels around a window that its counts depend on."""
        return max(self.erosion_px, halo_of(self.boundary_px))


@dataclass(frozen=True, order=True)
class Unit:
    """A block of a tile, by its row and column in the tile's grid of blocks; 0, 0 where a tile is one unit."""

    tile: str
    row: int = 0
    col: int = 0


@dataclass(frozen=True, eq=False)
class EvaluationCounts:
    """Counts of U units, K classes and B bins; `+` adds them.

    Attributes:
        class_count: K.
        options: How they were counted.
        units: Ascending.
        confusion: `(U, K, K)` int64, row = truth, column = prediction.
        eroded: The same against the truth with eroded boundaries.
        boundary: `(U, K, 4)` int64, as `boundary_f1.Boundaries.count` gives.
        reliability: `(U, B, 3)` int64, as `calibration.reliability_counts` gives.

    Raises:
        ValueError: If the arrays do not fit the units, or the units do not ascend.
    """

    class_count: int
    options: CountingOptions
    units: tuple[Unit, ...]
    confusion: NDArray[np.int64]
    eroded: NDArray[np.int64]
    boundary: NDArray[np.int64]
    reliability: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, shape in shapes_of(self.class_count, self.options).items():
            found = getattr(self, name).shape
            if found != (len(self.units), *shape):
                raise ValueError(f"{name} has shape {found}; {len(self.units)} units need {(len(self.units), *shape)}")
        if list(self.units) != sorted(set(self.units)):
            raise ValueError("the units of evaluation counts ascend, each one once")

    @classmethod
    def none(cls, class_count: int, options: CountingOptions) -> "EvaluationCounts":
        """No unit at all: what a sum starts from.

        Raises:
            ValueError: If there are no classes, or more than a label can hold.
        """
        if not 1 <= class_count <= MAX_CLASSES:
            raise ValueError(f"{class_count} classes; expected 1 to {MAX_CLASSES}")
        return cls(class_count, options, (), **_zeros(0, class_count, options))

    @classmethod
    def sum_of(cls, parts: Iterable["EvaluationCounts"]) -> "EvaluationCounts":
        """The sum of many, in one go: adding them one by one would copy the units again and again.

        Raises:
            ValueError: If there is no part, or they were counted in different ways.
        """
        listed = list(parts)
        if not listed:
            raise ValueError("a sum of no counts has no classes; start from EvaluationCounts.none")
        first = listed[0]
        for part in listed[1:]:
            if (part.class_count, part.options) != (first.class_count, first.options):
                raise ValueError(
                    f"counts of {first.class_count} classes and {first.options!r} cannot be added to "
                    f"counts of {part.class_count} classes and {part.options!r}"
                )
        units = sorted({unit for part in listed for unit in part.units})
        place = {unit: i for i, unit in enumerate(units)}
        arrays = _zeros(len(units), first.class_count, first.options)
        for part in listed:
            places = [place[unit] for unit in part.units]
            for name, array in arrays.items():
                array[places] += getattr(part, name)
        return cls(first.class_count, first.options, tuple(units), **arrays)

    def __add__(self, other: "EvaluationCounts") -> "EvaluationCounts":
        return EvaluationCounts.sum_of([self, other])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EvaluationCounts):
            return NotImplemented
        same = (self.class_count, self.options, self.units) == (other.class_count, other.options, other.units)
        return same and all(np.array_equal(array, getattr(other, name)) for name, array in self.arrays.items())

    # It holds arrays, which cannot be hashed.
    __hash__ = None  # type: ignore[assignment]

    @property
    def arrays(self) -> Mapping[str, NDArray[np.int64]]:
        """The arrays by their names."""
        return {name: getattr(self, name) for name in shapes_of(self.class_count, self.options)}

    def matrices(self, view: str) -> NDArray[np.int64]:
        """`(U, K, K)` confusion matrices of a view: `FULL` or `ERODED`."""
        return {FULL: self.confusion, ERODED: self.eroded}[view]

    def where(self, takes: Callable[[Unit], bool]) -> "EvaluationCounts":
        """Some of the units."""
        chosen = [i for i, unit in enumerate(self.units) if takes(unit)]
        arrays = {name: array[chosen] for name, array in self.arrays.items()}
        return EvaluationCounts(self.class_count, self.options, tuple(self.units[i] for i in chosen), **arrays)

    def by_tile(self) -> "EvaluationCounts":
        """The same counts with each tile as one unit, for intervals over tiles."""
        options = self.options.model_copy(update={"block_px": None})
        tiles = sorted({unit.tile for unit in self.units})
        place = {tile: i for i, tile in enumerate(tiles)}
        places = [place[unit.tile] for unit in self.units]
        arrays = _zeros(len(tiles), self.class_count, options)
        for name, array in arrays.items():
            np.add.at(array, places, getattr(self, name))
        return EvaluationCounts(self.class_count, options, tuple(Unit(tile) for tile in tiles), **arrays)


def shapes_of(class_count: int, options: CountingOptions) -> dict[str, tuple[int, ...]]:
    """The shape of each array, for one unit."""
    matrix = (class_count, class_count)
    return {"confusion": matrix, "eroded": matrix, "boundary": (class_count, 4), "reliability": (options.bins, 3)}


def _zeros(units: int, class_count: int, options: CountingOptions) -> dict[str, NDArray[np.int64]]:
    return {name: np.zeros((units, *shape), np.int64) for name, shape in shapes_of(class_count, options).items()}
