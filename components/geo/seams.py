"""Joins the outlines of one band of rows to those of the next, so that nothing shows where they meet.

Where a band ends, its rings are cut open: the lines that run along the seam are left out, and what remains are chains
from one point of the seam to another. At the seam, chains from above, chains from below and the real borders that
happen to run along it are linked again by the same rule that a ring turns by.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.geo.outlines import EAST, NORTH, SOUTH, WEST

Points = NDArray[np.int32]
Point = tuple[int, int]
"""(col, row) of a pixel corner."""


class OpenRegion:
    """A region that touches a seam; it grows, and merges with others, until no row below goes on with it.

    Attributes:
        class_id, pixels, area: As in `regions.Regions`.
        first: (row, col) of its first pixel.
        last_row: The last row that is known of it.
        rings: Those that are closed.
    """

    __slots__ = ("_into", "area", "class_id", "first", "last_row", "pixels", "rings")

    def __init__(self, class_id: int, pixels: int, area: float, first: tuple[int, int], last_row: int) -> None:
        self.class_id, self.pixels, self.area, self.first, self.last_row = class_id, pixels, area, first, last_row
        self.rings: list[Points] = []
        self._into: OpenRegion | None = None

    def whole(self) -> "OpenRegion":
        """The region that this one has become a part of; itself where it has not."""
        region = self
        while region._into is not None:
            if region._into._into is not None:
                region._into = region._into._into
            region = region._into
        return region

    def merge(self, other: "OpenRegion") -> None:
        """Makes one region of two that touch."""
        a, b = self.whole(), other.whole()
        if a is b:
            return
        if len(a.rings) < len(b.rings):
            a, b = b, a
        a.pixels += b.pixels
        a.area += b.area
        a.first = min(a.first, b.first)
        a.last_row = max(a.last_row, b.last_row)
        a.rings += b.rings
        b.rings = []
        b._into = a


class Chain:
    """A piece of a ring, from one point of a seam to another.

    Attributes:
        region: Whose.
        pieces: Its points in order, in one or more arrays, without the last one.
        end: The last point, where the next chain begins.
        heading: How it arrives there: SOUTH from above a seam, NORTH from below, EAST and WEST along it.
    """

    __slots__ = ("end", "heading", "pieces", "region")

    def __init__(self, region: OpenRegion, pieces: list[Points], end: Point, heading: int) -> None:
        self.region, self.pieces, self.end, self.heading = region, pieces, end, heading

    @property
    def start(self) -> Point:
        """The first point."""
        return _point(self.pieces[0], 0)

    @property
    def second(self) -> Point:
        """The point after the first."""
        if len(self.pieces[0]) > 1:
            return _point(self.pieces[0], 1)
        return _point(self.pieces[1], 0) if len(self.pieces) > 1 else self.end


def cut_ring(ring: Points, region: OpenRegion, top: int | None, bottom: int | None) -> list[Chain]:
    """Opens a ring `(points, 2)` at the seams.

    Args:
        ring: In (col, row).
        region: Whose.
        top, bottom: Rows of pixel corners that are seams; None where the map ends.

    Returns:
        Its chains; none if it touches no seam.
    """
    row, row_after = ring[:, 1], np.roll(ring[:, 1], -1)
    along = (row == row_after) & ((row == (-1 if top is None else top)) | (row == (-1 if bottom is None else bottom)))
    if not along.any():
        return []
    shift = -1 - int(np.argmax(along))
    ring, along = np.roll(ring, shift, axis=0), np.roll(along, shift)  # the last line now runs along a seam
    before = np.roll(along, 1)
    firsts, lasts = np.nonzero(~along & before)[0].tolist(), np.nonzero(along & ~before)[0].tolist()
    return [
        Chain(region, [ring[first:last]], _point(ring, last), NORTH if ring[last, 1] == top else SOUTH)
        for first, last in zip(firsts, lasts, strict=True)
    ]


class Seam:
    """One seam between two bands; made once, joined once. Regions of one class that touch across it are merged.

    Args:
        row: Of the pixel corners.
        above, below: `(width,)` uint8 class ids of the rows of pixels at either side.
        regions_above, regions_below: The regions of these pixels by column; None where nodata.
    """

    def __init__(
        self,
        row: int,
        above: NDArray[np.uint8],
        below: NDArray[np.uint8],
        regions_above: Sequence[OpenRegion | None],
        regions_below: Sequence[OpenRegion | None],
    ) -> None:
        self._row = row
        a, b = (np.pad(ids, 1, constant_values=VOID_ID) for ids in (above, below))
        cuts: list[int] = np.nonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1]))[0].tolist()
        # By heading, what lies to the right of who leaves a cut: below right, below left, above left, above right.
        self._right = {c: (int(b[c + 1]), int(b[c]), int(a[c]), int(a[c + 1])) for c in cuts}
        self._leaving: dict[tuple[int, int], Chain] = {}
        for c, after in pairwise(cuts):
            over, under = regions_above[c], regions_below[c]
            if above[c] == below[c]:
                if over is not None and under is not None:
                    over.merge(under)
                continue
            if under is not None:
                self._leaving[c, EAST] = Chain(under, [_one_point(c, row)], (after, row), EAST)
            if over is not None:
                self._leaving[after, WEST] = Chain(over, [_one_point(after, row)], (c, row), WEST)

    def join(self, above: Iterable[Chain], below: Iterable[Chain]) -> list[Chain]:
        """Links all chains that meet at the seam; rings that close go to their regions.

        Args:
            above: Chains that start and end at the seam, coming from above.
            below: Chains of the band below.

        Returns:
            The chains that are open still: they start and end at the lower seam of the band below.
        """
        loose = []
        for chain in above:
            self._leaving[chain.start[0], NORTH] = chain
        for chain in below:
            if chain.start[1] == self._row:
                self._leaving[chain.start[0], SOUTH] = chain
            else:
                loose.append(chain)
        still_open = []
        for chain in loose:
            pieces, end = self._follow(chain, None)
            still_open.append(Chain(chain.region, pieces, end, SOUTH))
        while self._leaving:
            key, chain = self._leaving.popitem()
            pieces, _ = self._follow(chain, key)
            chain.region.whole().rings += _split_at_touches(np.concatenate(pieces))
        return still_open

    def _follow(self, first: Chain, first_key: tuple[int, int] | None) -> tuple[list[Points], Point]:
        """The points of `first` and all that follow it, to the lower seam or to where a ring comes back to it."""
        pieces, chain = list(first.pieces), first
        while chain.end[1] == self._row:
            key, straight = self._turn(chain)
            closed = key == first_key
            after = first if closed else self._leaving.pop(key)
            # A line that merely crosses the seam needs no point there; its other side is walked with the same result.
            leave_out = straight and _in_line(_point(pieces[-1], -1), after.start, after.second)
            rest = pieces if closed else list(after.pieces)
            if leave_out:
                rest[0] = rest[0][1:]
                if not len(rest[0]):
                    del rest[0]
            if closed:
                break
            pieces += rest
            chain = after
        return pieces, chain.end

    def _turn(self, chain: Chain) -> tuple[tuple[int, int], bool]:
        """Column and heading in which a ring goes on, and whether its line crosses the seam and meets no other."""
        col, heading = chain.end[0], chain.heading
        right = self._right[col]
        # Pixels that meet in a corner only are taken for strangers: whether they are joined elsewhere is not known
        # yet. Rings that touch themselves for that reason are split when they are closed.
        own, ahead, left = right[(heading + 1) % 4], right[heading], right[(heading + 3) % 4]
        turn = 1 if ahead != own else 0 if left != own else 3
        crosses = right[SOUTH] == right[WEST] and right[EAST] == right[NORTH]
        return (col, (heading + turn) % 4), crosses


def _split_at_touches(ring: Points) -> list[Points]:
    """The simple rings that a ring is made of which comes to the same point more than once; each from its first point.

    First is the point with the smallest (row, col), so that a ring does not tell how its raster was cut into bands.
    """
    keys = (ring[:, 1].astype(np.int64) << 32) | ring[:, 0]
    simple = [np.arange(len(ring))]
    if len(np.unique(keys)) < len(keys):
        simple = []
        place: dict[int, int] = {}
        stack: list[int] = []
        for i, key in enumerate(keys.tolist()):
            if (at := place.get(key)) is not None:
                simple.append(np.array(stack[at:]))
                for j in stack[at:]:
                    del place[int(keys[j])]
                del stack[at:]
            place[key] = len(stack)
            stack.append(i)
        simple.append(np.array(stack))
    return [ring[np.roll(part, -int(np.argmin(keys[part])))] for part in simple]


def _in_line(a: Point, b: Point, c: Point) -> bool:
    return (b[0] - a[0]) * (c[1] - b[1]) == (b[1] - a[1]) * (c[0] - b[0])


def _point(points: Points, i: int) -> Point:
    return int(points[i, 0]), int(points[i, 1])


def _one_point(col: int, row: int) -> Points:
    return np.array([[col, row]], np.int32)
