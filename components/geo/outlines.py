"""Outlines of labelled regions along the pixels' edges, and their simplification with shared borders kept shared.

Points are (col, row) of pixel corners. Every ring has its region on the right hand as one walks along it with rows
counted downwards, so that a region's outer ring has a positive area `sum(x0 * y1 - x1 * y0) / 2` and its holes have
negative ones. Points lie where a ring turns and where three or more regions meet: neighbours share all points of their
common border, and stay neighbours in any other coordinate system.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

EAST, SOUTH, WEST, NORTH = range(4)
"""Headings; one more is a turn to the right."""


@dataclass(frozen=True)
class Outlines:
    """The rings of a labelled raster, ordered by label, the outer ring of each before its holes.

    Attributes:
        points: `(points, 2)` int32 (col, row), ring after ring, none repeated at a ring's end.
        starts: `(rings + 1,)` int64: ring `i` is `points[starts[i] : starts[i + 1]]`.
        labels: `(rings,)` int32.
    """

    points: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int32]

    def rings(self) -> list[NDArray[np.int32]]:
        """The rings' points, one array each (views)."""
        return [self.points[a:b] for a, b in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)]


def trace_outlines(labels: NDArray[np.int32]) -> Outlines:
    """Walks around every region.

    Args:
        labels: `(height, width)`; 0 is nodata, each other number one region joined by pixel edges. What lies beyond
            the raster counts as nodata.
    """
    padded = np.pad(labels, 1)
    lying = padded[1:] != padded[:-1]  # the edge between pixels of two rows
    standing = padded[:, 1:] != padded[:, :-1]
    north, south = standing[:-1], standing[1:]
    west, east = lying[:, :-1], lying[:, 1:]
    # Everything but "no edge" and "two edges in line".
    corner = (north != south) | (west != east) | (north & west)
    row, col = np.nonzero(corner)
    count = len(row)
    # The region to the right of whoever leaves a corner to the east is the pixel below right of it, and so on.
    right = np.stack(
        [padded[row + 1, col + 1], padded[row + 1, col], padded[row, col], padded[row, col + 1]], axis=1
    )  # (corners, headings)
    edges = np.stack([east[row, col], south[row, col], west[row, col], north[row, col]], axis=1)
    leaves = edges & (right != 0)

    # A line from a corner ends at the next one in its row or column; corners are numbered row by row.
    number = np.arange(count)
    by_column = np.lexsort((row, col))
    place = np.empty(count, np.int64)
    place[by_column] = number
    target = np.empty((count, 4), np.int64)
    target[:, EAST], target[:, WEST] = number + 1, number - 1
    target[:, SOUTH] = by_column[np.minimum(place + 1, count - 1)] if count else 0
    target[:, NORTH] = by_column[np.maximum(place - 1, 0)] if count else 0

    start, heading = np.nonzero(leaves)
    region = right[start, heading]
    end = target[start, heading]
    # Of two pixels of one region that meet in a corner only, the ring goes from one to the other: what it leaves on
    # either side is not joined, because the region is. So no ring touches itself.
    left = (heading + 3) % 4
    turn = np.where(
        right[end, left] == region, left, np.where(right[end, heading] == region, heading, (heading + 1) % 4)
    )
    line_of = np.full((count, 4), -1, np.int64)
    line_of[start, heading] = np.arange(len(start))
    order, starts = _cycles(line_of[end, turn].tolist())
    points = np.column_stack([col, row])[start[order]].astype(np.int32)
    ring_labels = region[order[starts[:-1]]]
    return _sorted(Outlines(points, starts, ring_labels.astype(np.int32)))


def simplify_outlines(outlines: Outlines, tolerance: float) -> Outlines:
    """Leaves out points within about `tolerance` pixels (corners of an area below its square), the same on both sides.

    The lines that border on nodata stay as they are. No ring crosses another, no region vanishes
    (`shapely.coverage_simplify`: Visvalingam and Whyatt's algorithm on shared edges).
    """
    if not len(outlines.labels):
        return outlines
    ring_of = np.repeat(np.arange(len(outlines.labels)), np.diff(outlines.starts))
    rings = shapely.linearrings(outlines.points.astype(np.float64), indices=ring_of)
    labels, polygon_of = np.unique(outlines.labels, return_inverse=True)
    polygons = shapely.polygons(rings, indices=polygon_of)
    simple = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    # GEOS turns some rings around.
    rings, polygon_of = shapely.get_rings(shapely.orient_polygons(simple), return_index=True)
    closed, ring_of = shapely.get_coordinates(rings, return_index=True)
    last = np.append(ring_of[1:] != ring_of[:-1], True)
    points, ring_of = closed[~last].astype(np.int32), ring_of[~last]
    starts = np.searchsorted(ring_of, np.arange(len(rings) + 1))
    return Outlines(points, starts, labels[polygon_of])


def signed_area(ring: NDArray[np.int32]) -> float:
    """Square pixels of a ring `(points, 2)`; negative for a hole."""
    x, y = ring[:, 0].astype(np.float64), ring[:, 1].astype(np.float64)
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def _cycles(after: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cycles of a permutation, each from its smallest number: all numbers in order, and where cycles start."""
    seen = bytearray(len(after))
    order: list[int] = []
    starts = [0]
    for first in range(len(after)):
        if seen[first]:
            continue
        number = first
        while not seen[number]:
            seen[number] = 1
            order.append(number)
            number = after[number]
        starts.append(len(order))
    return np.array(order, np.int64), np.array(starts, np.int64)


def _sorted(outlines: Outlines) -> Outlines:
    """By label; a region's outer ring has the first corner of all, and so stays before its holes."""
    order = np.argsort(outlines.labels, kind="stable")
    lengths = np.diff(outlines.starts)
    starts = np.concatenate([[0], np.cumsum(lengths[order])])
    within = np.arange(len(outlines.points)) - np.repeat(starts[:-1], lengths[order])
    points = outlines.points[np.repeat(outlines.starts[:-1][order], lengths[order]) + within]
    return Outlines(points, starts, outlines.labels[order])
