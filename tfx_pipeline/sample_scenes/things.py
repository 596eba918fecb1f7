"""What stands in a town, as vectors: value objects in ground metres, rows downward and columns rightward.

A scene is first decided as lists of these (`layout.py`), then painted (`*_painter.py`).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from tfx_pipeline.sample_scenes.spectra import Reflectance


@dataclass(frozen=True)
class Frame:
    """A place and a heading: the local axes "along" and "across" of whatever lies there.

    along = (row: sin(angle), col: cos(angle)); across = (row: cos(angle), col: -sin(angle)).
    """

    row_m: float
    col_m: float
    angle: float

    def shifted(self, along_m: float, across_m: float, turn: float = 0.0) -> "Frame":
        """The frame at local (along, across), turned by `turn` radians."""
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        return Frame(
            self.row_m + along_m * sine + across_m * cosine,
            self.col_m + along_m * cosine - across_m * sine,
            self.angle + turn,
        )


RoofShape = Literal["gable", "hip", "flat", "shed"]


@dataclass(frozen=True)
class Wing:
    """A rectangular part of a building; ridge along `frame`. `pitch` is metres of rise a metre."""

    frame: Frame
    length_m: float
    width_m: float
    eaves_m: float
    roof: RoofShape
    pitch: float


@dataclass(frozen=True)
class Building:
    """Wings under one cover; the highest wing shows, which gives L shapes their valleys."""

    wings: tuple[Wing, ...]
    cover: str
    reflectance: Reflectance = field(compare=False)
    chimneys: int = 0
    solar: bool = False
    skylights: int = 0


@dataclass(frozen=True)
class Tree:
    """A crown of `radius_m` whose top is at `height_m`; below 2 m it is a shrub, hence low vegetation."""

    row_m: float
    col_m: float
    radius_m: float
    height_m: float
    species: str


@dataclass(frozen=True)
class Vehicle:
    """A car, van or lorry, heading along its frame."""

    frame: Frame
    length_m: float
    width_m: float
    height_m: float
    body: Literal["car", "van", "lorry"]
    reflectance: Reflectance = field(compare=False)


@dataclass(frozen=True)
class Slab:
    """A flat rectangle on the ground: drive, terrace, car park, path, flower bed, verge."""

    frame: Frame
    length_m: float
    width_m: float
    material: str
    low_vegetation: bool = False


@dataclass(frozen=True)
class BayRow:
    """Marked parking bays side by side along the frame."""

    frame: Frame
    bays: int
    bay_m: float = 2.5
    depth_m: float = 5.0


@dataclass(frozen=True)
class Hedge:
    """A straight piece of hedge."""

    frame: Frame
    length_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True)
class Oddity:
    """Clutter: what belongs to none of the other classes."""

    kind: Literal["pool", "pond", "tennis", "container", "heap", "trampoline", "sand"]
    frame: Frame
    length_m: float
    width_m: float


@dataclass
class Things:
    """All that was decided for a scene, in painting order within each list."""

    slabs: list[Slab] = field(default_factory=list)
    bay_rows: list[BayRow] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    hedges: list[Hedge] = field(default_factory=list)
    vehicles: list[Vehicle] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
