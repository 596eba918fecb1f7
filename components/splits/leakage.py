"""The leakage guard: proves from places on the ground that no pixel of one split lies in another.

Neighbouring georeferenced tiles often overlap; what is trained on in one would then be evaluated on in the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS

from components.geo.footprint import SEGMENTS, outline, square_metres, warp_points
from components.geo.raster import Georeference, Grid
from components.geo.window import Window
from components.tile_source import SPLITS, Split, TileSource

MIN_THICKNESS_PX = 0.5
"""An overlap that is nowhere thicker than half a pixel holds no pixel: neighbours whose common edge differs by the
rounding of their transforms are no leak, one column of shared pixels is. Of two pixel sizes the smaller one counts."""


@dataclass(frozen=True)
class Footprint:
    """Where a tile, or a part of one, lies.

    Attributes:
        tile: The tile's id.
        split: Its split.
        image: The image's path; pixels of one image without georeference are compared by row and column.
        area: The part of the grid, or None for all of it.
        grid: The image's grid.
    """

    tile: str
    split: Split
    image: str
    area: Window | None
    grid: Grid


@dataclass(frozen=True)
class Leak:
    """Ground that two splits share.

    Attributes:
        tile, split: One of the two.
        other_tile, other_split: The other; `(split, other_split)` is (train, eval), (train, test) or (eval, test).
        overlap: How much ground they share.
        unit: Of `overlap`: square metres, or pixels of `tile` where the coordinate system is unknown.
    """

    tile: str
    split: Split
    other_tile: str
    other_split: Split
    overlap: float
    unit: Literal["m2", "px"]

    def __str__(self) -> str:
        unit = "square metres" if self.unit == "m2" else "pixels"
        return (
            f"tile {self.tile} ({self.split}) and tile {self.other_tile} ({self.other_split}) share "
            f"{self.overlap:,.1f} {unit}"
        )


def footprint_of(source: TileSource, grid: Grid) -> Footprint:
    """The footprint of a tile whose image has this grid."""
    return Footprint(source.tile, source.split, source.image, source.area, grid)


def find_leaks(footprints: Sequence[Footprint]) -> list[Leak]:
    """Every pair of tiles of different splits that share ground.

    Tiles in different coordinate systems are warped; tiles without one are compared by their transforms, if these
    place them anywhere (world files); parts of one image without any georeference by rows and columns. What else has
    no place cannot leak as far as places tell: `without_place` names it.

    Returns:
        Sorted by splits, then by falling overlap, then by tile.
    """
    planes = _planes(footprints)
    leaks = []
    for i, plane in enumerate(planes):
        own = [_place(footprint, plane.crs) for footprint in plane.footprints]
        leaks += _leaks_between(own, own, plane.crs)
        for other in planes[i + 1 :]:
            if plane.crs is not None and other.crs is not None:
                warped = [_place(footprint, plane.crs, other.crs) for footprint in other.footprints]
                leaks += _leaks_between(warped, own, plane.crs)
    return sorted(
        leaks,
        key=lambda leak: (
            SPLITS.index(leak.split),
            SPLITS.index(leak.other_split),
            -leak.overlap,
            leak.tile,
            leak.other_tile,
        ),
    )


def without_place(footprints: Iterable[Footprint]) -> list[str]:
    """Tiles about which `find_leaks` proves nothing, except for parts of the same image."""
    return sorted({footprint.tile for footprint in footprints if not _is_placed(footprint.grid)})


@dataclass(frozen=True)
class _Plane:
    """Footprints whose coordinates can be compared as they are; `crs` is None where it is unknown."""

    crs: CRS | None
    footprints: list[Footprint]


@dataclass(frozen=True)
class _Placed:
    """A footprint's polygon in some plane, and the side of its pixels there (a square of the same area)."""

    footprint: Footprint
    polygon: shapely.Polygon
    pixel_side: float


def _planes(footprints: Sequence[Footprint]) -> list[_Plane]:
    systems: dict[str, CRS] = {}
    planes: dict[str, _Plane] = {}
    for footprint in footprints:
        wkt = footprint.grid.georeference.crs
        crs = None
        if wkt:
            if wkt not in systems:  # two spellings of one system are one plane
                new = CRS.from_wkt(wkt)
                systems[wkt] = next((known for known in systems.values() if known == new), new)
            crs = systems[wkt]
            name = f"crs {crs.to_wkt()}"
        else:
            name = "world files" if _is_placed(footprint.grid) else f"pixels of {footprint.image}"
        planes.setdefault(name, _Plane(crs, [])).footprints.append(footprint)
    return sorted(planes.values(), key=_reach, reverse=True)


def _reach(plane: _Plane) -> tuple[bool, float]:
    """Later planes are warped to earlier ones: small tiles to the system of large ones, which is defined there, and all
    to longitudes and latitudes."""
    areas = [abs(f.grid.georeference.transform.determinant) * f.grid.height * f.grid.width for f in plane.footprints]
    return plane.crs is not None and bool(plane.crs.is_geographic), max(areas)


def _is_placed(grid: Grid) -> bool:
    # A transform without CRS whose origin is zero is a picture's own pixels, perhaps scaled, not a world file.
    transform = grid.georeference.transform
    return bool(grid.georeference.crs) or (transform.c, transform.f) != (0, 0)


def _place(footprint: Footprint, plane: CRS | None, own: CRS | None = None) -> _Placed | None:
    """The footprint's polygon in a plane; None where the plane is not defined there. `own` asks for a warp."""
    grid, area = footprint.grid, footprint.area
    if not _is_placed(grid):
        grid = Grid(grid.height, grid.width, Georeference(Affine.identity(), ""))
    points = outline(grid, area, SEGMENTS if own is not None else 1)
    if own is not None and plane is not None:
        warped = warp_points(points, own, plane)
        if warped is None:
            return None
        points = warped
    polygon = shapely.make_valid(shapely.Polygon(points))
    pixels = area.height * area.width if area else grid.height * grid.width
    return _Placed(footprint, polygon, float(np.sqrt(polygon.area / pixels)))


def _leaks_between(some: Sequence[_Placed | None], own: Sequence[_Placed | None], crs: CRS | None) -> list[Leak]:
    """Leaks between two lists of one plane, or within one list where both are the same."""
    there = [placed for placed in own if placed is not None]
    tree = shapely.STRtree([placed.polygon for placed in there])
    leaks = []
    for first in some:
        if first is None:
            continue
        for index in tree.query(first.polygon, predicate="intersects"):
            second = there[index]
            # Of the two orders in which a pair within one list is met, one is kept.
            order = SPLITS.index(first.footprint.split) - SPLITS.index(second.footprint.split)
            if order == 0 or (some is own and order > 0):
                continue
            shared = shapely.intersection(first.polygon, second.polygon)
            thinned = shapely.buffer(shared, -MIN_THICKNESS_PX / 2 * min(first.pixel_side, second.pixel_side))
            if not shapely.is_empty(thinned):
                leaks.append(_leak(first, second, shared, crs) if order < 0 else _leak(second, first, shared, crs))
    return leaks


def _leak(first: _Placed, second: _Placed, shared: shapely.Geometry, crs: CRS | None) -> Leak:
    a, b = first.footprint, second.footprint
    if crs is not None:
        return Leak(a.tile, a.split, b.tile, b.split, square_metres(shared, crs), "m2")
    return Leak(a.tile, a.split, b.tile, b.split, shared.area / first.pixel_side**2, "px")
