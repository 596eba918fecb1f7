"""Where there is still room: a coarse grid of the ground that says whose each place is and whether it is taken."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from tfx_pipeline.sample_scenes.plan import Plan, Point, Polygon
from tfx_pipeline.sample_scenes.streets import Street
from tfx_pipeline.sample_scenes.things import Frame

CELL_M = 0.5
# Houses at the rim are placed although they reach out of the canvas: the grid is that much wider on every side.
RIM_M = 24.0
NOBODY = 0


class Plot:
    """Ownership and occupancy on a grid of half-metre cells.

    Attributes:
        owner: int32 (rows, cols), the number of the parcel, `NOBODY` for streets and pavements.
        free: bool (rows, cols), False where something stands.
    """

    def __init__(
        self, plan: Plan, streets: tuple[Street, ...], parcels: list[Polygon], height_m: float, width_m: float
    ) -> None:
        rows = math.ceil((height_m + 2 * RIM_M) / CELL_M)
        cols = math.ceil((width_m + 2 * RIM_M) / CELL_M)
        self.owner: NDArray[np.int32] = number_parcels(plan, parcels, (rows, cols), CELL_M, RIM_M)
        row = ((np.arange(rows) + 0.5) * CELL_M - RIM_M).astype(np.float32)[:, None]
        col = ((np.arange(cols) + 0.5) * CELL_M - RIM_M).astype(np.float32)[None, :]
        u, v = plan.to_plan(row, col)
        for street in streets:
            heading_u, heading_v = street.heading
            from_u, from_v = u - street.start[0], v - street.start[1]
            along = from_u * heading_u + from_v * heading_v
            beyond = along - np.clip(along, 0.0, street.length_m)
            across = from_v * heading_u - from_u * heading_v
            reach = street.half_width_m + street.pavement_m + 0.3
            self.owner[beyond * beyond + across * across < reach * reach] = NOBODY
        self.free: NDArray[np.bool_] = self.owner != NOBODY
        order = np.argsort(self.owner, axis=None, kind="stable")
        bounds = np.searchsorted(self.owner.ravel()[order], np.arange(1, len(parcels) + 2))
        self._cells = [order[start:stop] for start, stop in itertools.pairwise(bounds)]

    def area_m2(self, number: int) -> float:
        """Area of a parcel within the grid, streets taken off."""
        return len(self._cells[number - 1]) * CELL_M**2

    def owner_at(self, row_m: float, col_m: float) -> int:
        """The parcel at a ground place; `NOBODY` off the grid."""
        row, col = int((row_m + RIM_M) / CELL_M), int((col_m + RIM_M) / CELL_M)
        inside = 0 <= row < self.owner.shape[0] and 0 <= col < self.owner.shape[1]
        return int(self.owner[row, col]) if inside else NOBODY

    def reach_m(self, frame: Frame, along: float, across: float, number: int, limit_m: float = 60.0) -> float:
        """How far the parcel goes on from a frame in a local direction, in metres."""
        for step in range(int(limit_m / CELL_M)):
            place = frame.shifted(along * step * CELL_M, across * step * CELL_M)
            if self.owner_at(place.row_m, place.col_m) != number:
                return step * CELL_M
        return limit_m

    def fits(self, frame: Frame, length_m: float, width_m: float, number: int, needed: float = 1.0) -> bool:
        """Whether at least that share of a rectangle is free ground of the parcel."""
        rows, cols, inside = self._cells_of(frame, length_m, width_m)
        if not inside.all():
            return False
        good = self.free[rows, cols] & (self.owner[rows, cols] == number)
        return bool(good.mean() >= needed)

    def claim(self, frame: Frame, length_m: float, width_m: float) -> None:
        """Marks a rectangle as taken."""
        rows, cols, inside = self._cells_of(frame, length_m, width_m)
        self.free[rows[inside], cols[inside]] = False

    def spare_place(self, random: np.random.Generator, number: int, tries: int = 12) -> Point | None:
        """A random free ground place (row, col) of the parcel, or None if none was found."""
        cells = self._cells[number - 1]
        if not len(cells):
            return None
        for index in random.integers(len(cells), size=tries):
            row, col = divmod(int(cells[index]), self.free.shape[1])
            if self.free[row, col]:
                jitter = random.random(2)
                return (row + jitter[0]) * CELL_M - RIM_M, (col + jitter[1]) * CELL_M - RIM_M
        return None

    def spare_places_within(
        self, random: np.random.Generator, inner_m: tuple[float, float, float, float], count: int
    ) -> list[Point]:
        """Random free ground places of any parcel between (top, left, bottom, right), up to that many."""
        top, left, bottom, right = (max(0, int((edge + RIM_M) / CELL_M)) for edge in inner_m)
        rows, cols = np.nonzero(self.free[top:bottom, left:right])
        if not len(rows):
            return []
        chosen = random.integers(len(rows), size=count)
        places = np.stack([rows[chosen] + top, cols[chosen] + left], axis=1) * CELL_M - RIM_M + CELL_M / 2
        return [(float(row), float(col)) for row, col in places]

    def _cells_of(
        self, frame: Frame, length_m: float, width_m: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Grid rows and cols under a lattice of points on the rectangle, and which of them are on the grid."""
        steps, side_steps = max(1, math.ceil(length_m / CELL_M)), max(1, math.ceil(width_m / CELL_M))
        along = (np.arange(steps + 1) * (length_m / steps) - length_m / 2)[:, None]
        across = (np.arange(side_steps + 1) * (width_m / side_steps) - width_m / 2)[None, :]
        sine, cosine = math.sin(frame.angle), math.cos(frame.angle)
        rows = np.floor((frame.row_m + along * sine + across * cosine + RIM_M) / CELL_M).astype(np.intp)
        cols = np.floor((frame.col_m + along * cosine - across * sine + RIM_M) / CELL_M).astype(np.intp)
        inside = (rows >= 0) & (rows < self.owner.shape[0]) & (cols >= 0) & (cols < self.owner.shape[1])
        return rows, cols, inside


def number_parcels(
    plan: Plan, parcels: list[Polygon], shape: tuple[int, int], pixel_m: float, rim_m: float
) -> NDArray[np.int32]:
    """Burns parcel numbers (1, 2, ... in list order) into a raster.

    Returns:
        int32 (height, width); `NOBODY` where no parcel is.
    """
    shapes = []
    for number, polygon in enumerate(parcels, start=1):
        ring = [((col + rim_m) / pixel_m, (row + rim_m) / pixel_m) for row, col in plan.ring(polygon)]
        shapes.append(({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, number))
    burnt: NDArray[np.int32] = rasterize(shapes, out_shape=shape, fill=NOBODY, dtype="int32")
    return burnt
