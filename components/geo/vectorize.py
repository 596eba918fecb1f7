"""Turns a class raster into the polygons of its regions, band by band in bounded memory, without seams.

The regions, and without simplification every point of them, are those of the whole raster, however it is cut into
bands. Simplification keeps the points where borders cross from one band into the next; the bands depend on the
raster's width alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.geo.outlines import Outlines, signed_area, simplify_outlines, trace_outlines
from components.geo.regions import Regions, label_regions
from components.geo.seams import Chain, OpenRegion, Points, Seam, cut_ring

BAND_PIXELS = 1 << 23
"""Pixels a band: takes about 0.5 GB while the outlines of a busy map are traced (a corner every 10 pixels)."""

_LEAST_ROWS = 256

ReadRows = Callable[[int, int], NDArray[np.uint8]]
"""Class ids `(stop - start, width)` uint8 of the rows from `start` to `stop`."""

RowAreas = Callable[[int, int], NDArray[np.float64]]
"""Square metres of a pixel in each of the rows from `start` to `stop`."""


@dataclass(frozen=True)
class Region:
    """Pixels of one class that are joined by their edges.

    Attributes:
        class_id: Of the class.
        pixels: How many they are.
        area: Their square metres; 0 where none were asked for.
        rings: `(points, 2)` int32 (col, row) of pixel corners; the outer ring, then the holes. The region is on the
            right hand as one walks along with rows counted downwards; the first point is not repeated.
    """

    class_id: int
    pixels: int
    area: float
    rings: tuple[Points, ...]


def band_rows(width: int) -> int:
    """Rows of a band of a raster of that width."""
    return max(_LEAST_ROWS, BAND_PIXELS // width)


def polygonize(
    read_rows: ReadRows,
    shape: tuple[int, int],
    row_areas: RowAreas | None = None,
    simplify: float = 0.0,
    rows: int | None = None,
) -> Iterator[Region]:
    """All regions of a raster, in the order of their last rows, then of their first pixels.

    Memory: one band, and the outlines of the regions that reach from it into the next.

    Args:
        read_rows: Gives the raster's class ids; `VOID_ID` is nodata and in no region.
        shape: (height, width).
        row_areas: Gives the pixels' areas.
        simplify: Tolerance in pixels (`outlines.simplify_outlines`); 0 keeps every corner.
        rows: Of a band; None takes `band_rows`.
    """
    height, width = shape
    rows = rows or band_rows(width)
    waiting = _Waiting()
    for start in range(0, height, rows):
        stop = min(start + rows, height)
        yield from waiting.take(_band(read_rows, row_areas, simplify, start, stop, height))


@dataclass(frozen=True)
class _Band:
    """Rows from `start` to `stop`: regions that touch no seam are done; of the others, chains are left."""

    start: int
    stop: int
    is_last: bool
    done: list[tuple[int, int, int, Region]]
    touching: list[OpenRegion]
    chains: list[Chain]
    edges: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    """Class ids of the first and of the last row."""
    regions_at: tuple[list[OpenRegion | None], list[OpenRegion | None]]
    """Their regions by column."""


class _Waiting:
    """What reaches to the end of the last band that was taken."""

    def __init__(self) -> None:
        self._edge: NDArray[np.uint8] | None = None
        self._regions_at: list[OpenRegion | None] = []
        self._regions: list[OpenRegion] = []
        self._chains: list[Chain] = []

    def take(self, band: _Band) -> Iterator[Region]:
        """Joins the next band on; yields the regions that are complete."""
        chains, regions = band.chains, [*self._regions, *band.touching]
        if self._edge is not None:
            seam = Seam(band.start, self._edge, band.edges[0], self._regions_at, band.regions_at[0])
            chains = seam.join(self._chains, chains)
        whole = list({id(r.whole()): r.whole() for r in regions}.values())
        complete = [r for r in whole if band.is_last or r.last_row < band.stop - 1]
        done = [*band.done, *((r.last_row, *r.first, _assembled(r)) for r in complete)]
        self._regions = [] if band.is_last else [r for r in whole if r.last_row == band.stop - 1]
        self._edge, self._regions_at, self._chains = band.edges[1], band.regions_at[1], chains
        yield from (region for *_, region in sorted(done, key=lambda entry: entry[:3]))


def _band(
    read_rows: ReadRows, row_areas: RowAreas | None, simplify: float, start: int, stop: int, height: int
) -> _Band:
    class_ids = read_rows(start, stop)
    regions = label_regions(class_ids, row_areas(start, stop) if row_areas is not None else None)
    outlines = trace_outlines(regions.labels)
    if simplify > 0:
        outlines = simplify_outlines(outlines, simplify)
    top, bottom = start if start else None, stop if stop < height else None
    edges = (class_ids[0].copy(), class_ids[-1].copy())
    labels_at = (regions.labels[0].tolist(), regions.labels[-1].tolist())
    seams = [labels for labels, seam in zip(labels_at, (top, bottom), strict=True) if seam is not None]
    opened = {label: _opened(regions, label, start) for labels in seams for label in labels if label}
    done, chains = _sort_out(regions, outlines, opened, start, top, bottom)
    return _Band(
        start=start,
        stop=stop,
        is_last=bottom is None,
        done=done,
        touching=list(opened.values()),
        chains=chains,
        edges=edges,
        regions_at=([opened.get(i) for i in labels_at[0]], [opened.get(i) for i in labels_at[1]]),
    )


def _opened(regions: Regions, label: int, start: int) -> OpenRegion:
    i = label - 1
    first = (int(regions.first[i, 0]) + start, int(regions.first[i, 1]))
    return OpenRegion(
        int(regions.class_ids[i]),
        int(regions.pixels[i]),
        float(regions.areas[i]),
        first,
        int(regions.last_row[i]) + start,
    )


def _sort_out(
    regions: Regions, outlines: Outlines, opened: dict[int, OpenRegion], start: int, top: int | None, bottom: int | None
) -> tuple[list[tuple[int, int, int, Region]], list[Chain]]:
    """Regions that are complete, with their last row and first pixel; and the chains of all others."""
    outlines.points[:, 1] += start
    rings = outlines.rings()
    chains: list[Chain] = []
    done = []
    ends = np.searchsorted(outlines.labels, np.arange(1, len(regions.class_ids) + 2)).tolist()
    firsts, last_rows = (regions.first + np.array([start, 0])).tolist(), (regions.last_row + start).tolist()
    pixels, areas, class_ids = regions.pixels.tolist(), regions.areas.tolist(), regions.class_ids.tolist()
    for i, first in enumerate(firsts):
        own = rings[ends[i] : ends[i + 1]]
        region = opened.get(i + 1)
        if region is None:
            done.append((last_rows[i], *first, Region(class_ids[i], pixels[i], areas[i], tuple(own))))
            continue
        for ring in own:
            cut = cut_ring(ring, region, top, bottom)
            if cut:
                chains += cut
            else:
                region.rings.append(ring.copy())  # a view would keep all points of the band
    return done, chains


def _assembled(region: OpenRegion) -> Region:
    """Outer ring first: the one with a positive area; holes as in the order of their first points."""
    areas = [signed_area(ring) for ring in region.rings]
    order = sorted(
        range(len(areas)), key=lambda i: (areas[i] < 0, int(region.rings[i][0, 1]), int(region.rings[i][0, 0]))
    )
    return Region(region.class_id, region.pixels, region.area, tuple(region.rings[i] for i in order))
