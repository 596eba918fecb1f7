"""The plan of a town: straight streets on paper, bent smoothly onto the ground."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfx_pipeline.sample_scenes.things import Frame

Point = tuple[float, float]
Polygon = tuple[Point, ...]
"""Corners of a convex polygon in plan metres, in order, not closed."""


@dataclass(frozen=True)
class Plan:
    """The map between the ground (row, col) and the plan (u, v), all in metres.

    plan = rotate(ground + sum of long sine waves). The waves' slopes are small, so that the map is one to one and
    distances on the plan are distances on the ground within about a tenth.

    Attributes:
        angle: Rotation of the plan, in radians: no town is aligned with its tile.
        waves: (waves per metre by row, by col, phase, shift of the row, shift of the col), in radians and metres.
    """

    angle: float
    waves: tuple[tuple[float, float, float, float, float], ...]

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "Plan":
        """A random plan."""
        waves = []
        for wavelength_m, slope in ((420.0, 0.16), (230.0, 0.10), (130.0, 0.05)):
            heading, shift_heading, phase = random.uniform(0, 2 * math.pi, 3)
            rate = 2 * math.pi / (wavelength_m * random.uniform(0.85, 1.2))
            shift_m = random.uniform(0.5, 1.0) * slope / rate
            waves.append(
                (
                    rate * math.sin(heading),
                    rate * math.cos(heading),
                    float(phase),
                    shift_m * math.sin(shift_heading),
                    shift_m * math.cos(shift_heading),
                )
            )
        return cls(float(random.uniform(0, math.pi)), tuple(waves))

    def to_plan(self, row_m: Any, col_m: Any) -> tuple[Any, Any]:
        """Plan (u, v) of ground places; scalars or arrays of one shape (or that broadcast)."""
        shift_row, shift_col = self._shift(row_m, col_m)
        row, col = row_m + shift_row, col_m + shift_col
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        return row * cosine - col * sine, row * sine + col * cosine

    def to_ground(self, u: float, v: float) -> Point:
        """Ground (row, col) of a plan place, by fixed-point iteration (the waves' slopes are well below 1)."""
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        row, col = u * cosine + v * sine, v * cosine - u * sine
        ground_row, ground_col = row, col
        for _ in range(12):
            shift_row = shift_col = 0.0
            for rate_row, rate_col, phase, by_row, by_col in self.waves:  # as in _shift, in fast scalars
                wave = math.sin(ground_row * rate_row + ground_col * rate_col + phase)
                shift_row, shift_col = shift_row + wave * by_row, shift_col + wave * by_col
            moved = abs(row - shift_row - ground_row) + abs(col - shift_col - ground_col)
            ground_row, ground_col = row - shift_row, col - shift_col
            if moved < 1e-4:
                break
        return ground_row, ground_col

    def frame(self, place: Point, heading: Point) -> Frame:
        """The ground frame at a plan place, along a plan direction (unit vector)."""
        row, col = self.to_ground(*place)
        ahead_row, ahead_col = self.to_ground(place[0] + heading[0], place[1] + heading[1])
        return Frame(row, col, math.atan2(ahead_row - row, ahead_col - col))

    def ring(self, polygon: Polygon, step_m: float = 5.0) -> list[Point]:
        """A plan polygon's outline on the ground, (row, col), with a corner every few metres so that it bends."""
        ring: list[Point] = []
        for start, end in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
            pieces = max(1, round(math.dist(start, end) / step_m))
            for piece in range(pieces):
                t = piece / pieces
                ring.append(self.to_ground(start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])))
        return ring

    def _shift(self, row_m: Any, col_m: Any) -> tuple[Any, Any]:
        shift_row: Any = 0.0
        shift_col: Any = 0.0
        for rate_row, rate_col, phase, by_row, by_col in self.waves:
            wave = np.sin(row_m * rate_row + (col_m * rate_col + phase))
            shift_row, shift_col = shift_row + wave * by_row, shift_col + wave * by_col
        return shift_row, shift_col


def cut(polygon: Polygon, place: Point, normal: Point) -> tuple[Polygon, Polygon, tuple[Point, Point] | None]:
    """Cuts a convex polygon by the line through `place` with that normal.

    Returns:
        The part behind the line, the part before it (where the normal points), and the cut's two ends; an empty part
        and no ends if the line misses.
    """
    sides = [(p[0] - place[0]) * normal[0] + (p[1] - place[1]) * normal[1] for p in polygon]
    behind: list[Point] = []
    before: list[Point] = []
    ends: list[Point] = []
    for i, (point, side) in enumerate(zip(polygon, sides, strict=True)):
        (before if side > 0 else behind).append(point)
        following, following_side = polygon[(i + 1) % len(polygon)], sides[(i + 1) % len(polygon)]
        if (side > 0) != (following_side > 0):
            t = side / (side - following_side)
            crossing = (point[0] + t * (following[0] - point[0]), point[1] + t * (following[1] - point[1]))
            behind.append(crossing)
            before.append(crossing)
            ends.append(crossing)
    return tuple(behind), tuple(before), (ends[0], ends[1]) if len(ends) == 2 else None


def area_m2(polygon: Polygon) -> float:
    """Area of a polygon, by the shoelace formula."""
    following = (*polygon[1:], polygon[0])
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, following, strict=True))) / 2


def centre(polygon: Polygon) -> Point:
    """Mean of the corners."""
    return sum(p[0] for p in polygon) / len(polygon), sum(p[1] for p in polygon) / len(polygon)


def long_axis(polygon: Polygon) -> tuple[Point, float, float]:
    """Direction of the longest edge or its normal, whichever way the polygon reaches farther; its reach both ways.

    Returns:
        (unit direction, extent along it, extent across it), in metres.
    """
    edges = list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))
    start, end = max(edges, key=lambda edge: math.dist(*edge))
    length = max(math.dist(start, end), 1e-9)
    direction = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    extents: list[float] = []
    for axis in (direction, (-direction[1], direction[0])):
        reaches = [p[0] * axis[0] + p[1] * axis[1] for p in polygon]
        extents.append(max(reaches) - min(reaches))
    if extents[0] >= extents[1]:
        return direction, extents[0], extents[1]
    return (-direction[1], direction[0]), extents[1], extents[0]
