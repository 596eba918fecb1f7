"""Merges regions that are too small into their largest neighbours, in bounded memory.

The rule: a region below the least size goes to the largest of its neighbours (of equal ones, to the one whose first
pixel comes last). Where that neighbour is too small itself, it is followed to its own largest neighbour; a small region
with only smaller ones around it takes them in. This is repeated until no region is too small, but for those that nodata
alone surrounds. Nodata is no neighbour: it stays nodata, and valid pixels stay valid. The result does not depend on the
bands that the raster is read in.
"""

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.geo.regions import Regions, label_regions
from components.geo.vectorize import ReadRows, RowAreas, band_rows


class Sieve:
    """A raster without small regions. Making it reads the raster once, `read` reads it again.

    Memory: one band, and about 100 bytes a region of the raster as it was.

    Args:
        read_rows: Gives the raster's class ids.
        shape: (height, width).
        least: The size that a region must have: pixels, or square metres where `row_areas` are given.
        row_areas: Gives the areas of pixels.
        rows: Of a band; None takes `vectorize.band_rows`.
    """

    def __init__(
        self,
        read_rows: ReadRows,
        shape: tuple[int, int],
        least: float,
        row_areas: RowAreas | None = None,
        rows: int | None = None,
    ) -> None:
        self._read_rows = read_rows
        self._height, width = shape
        self._rows = rows or band_rows(width)
        self._firsts = [0]
        """Number of the first region of each band; regions are numbered through all bands."""
        classes, sizes, places = [], [], []
        joined, neighbours = [], []
        bottom, last_ids = np.empty(0, np.int64), np.empty(0, np.uint8)
        for start in range(0, self._height, self._rows):
            stop = min(start + self._rows, self._height)
            class_ids = read_rows(start, stop)
            regions = label_regions(class_ids, row_areas(start, stop) if row_areas is not None else None)
            size = regions.areas if row_areas is not None else regions.pixels.astype(np.float64)
            before = self._firsts[-1] - 1  # labels count from 1
            pairs = _adjacent(regions)
            neighbours.append(pairs[(size[pairs - 1] < least).any(axis=1)] + before)
            top = regions.labels[0].astype(np.int64) + before
            if start:
                both = (last_ids != VOID_ID) & (class_ids[0] != VOID_ID)
                same = last_ids == class_ids[0]
                across = np.column_stack([bottom, top])
                joined.append(np.unique(across[both & same], axis=0))
                neighbours.append(np.unique(across[both & ~same], axis=0))
            bottom, last_ids = regions.labels[-1].astype(np.int64) + before, class_ids[-1].copy()
            classes.append(regions.class_ids)
            sizes.append(size)
            places.append((regions.first[:, 0] + start) * width + regions.first[:, 1])
            self._firsts.append(self._firsts[-1] + len(size))
        part_of = _united(np.concatenate(places), np.concatenate([*joined, _NO_PAIRS]))
        whole_classes = np.zeros(part_of.max(initial=-1) + 1, np.uint8)
        whole_classes[part_of] = np.concatenate(classes)
        whole_sizes = np.bincount(part_of, np.concatenate(sizes)).astype(np.float64)
        self._classes = _merge_small(whole_classes, whole_sizes, part_of[np.concatenate(neighbours)], least)[part_of]
        """Class of each region in the end."""

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Class ids of the rows from `start` to `stop`; reads whole bands."""
        parts = []
        for band in range(start // self._rows, (stop - 1) // self._rows + 1):
            top = band * self._rows
            labels = label_regions(self._read_rows(top, min(top + self._rows, self._height))).labels
            of_band = self._classes[self._firsts[band] : self._firsts[band + 1]]
            classes = np.concatenate([np.array([VOID_ID], np.uint8), of_band])
            parts.append(classes[labels[max(start - top, 0) : stop - top]])
        return np.concatenate(parts)


_NO_PAIRS = np.empty((0, 2), np.int64)


def _adjacent(regions: Regions) -> NDArray[np.int64]:
    """`(pairs, 2)`: labels of regions that share an edge, each pair once."""
    labels, count = regions.labels, len(regions.class_ids) + 1
    keys = []
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (a != b) & (a != 0) & (b != 0)
        one, other = a[meet].astype(np.int64), b[meet].astype(np.int64)
        keys.append(np.unique(np.minimum(one, other) * count + np.maximum(one, other)))
    unique = np.unique(np.concatenate(keys))
    return np.column_stack([unique // count, unique % count])


def _united(places: NDArray[np.int64], joined: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of the parts, the number of its whole; wholes are numbered by their smallest place."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(places)
    graph = coo_matrix((np.ones(len(joined), np.bool_), (joined[:, 0], joined[:, 1])), (count, count))
    wholes, group = connected_components(graph, directed=False)
    order = np.argsort(places, kind="stable")
    _, first = np.unique(group[order], return_index=True)
    number = np.empty(wholes, np.int64)
    number[np.argsort(first)] = np.arange(wholes)
    united: NDArray[np.int64] = number[group]
    return united


def _merge_small(
    classes: NDArray[np.uint8], sizes: NDArray[np.float64], pairs: NDArray[np.int64], least: float
) -> NDArray[np.uint8]:
    """The class that each region has in the end.

    Args:
        classes, sizes: Of the regions, which are numbered by their first pixels.
        pairs: `(pairs, 2)` neighbours; those of which neither is small may be left out: they never merge.
        least: The size that regions must have.
    """
    becomes = np.arange(len(classes))
    while True:
        pairs = np.unique(pairs[(sizes[pairs] < least).any(axis=1)], axis=0)
        if not len(pairs):
            final: NDArray[np.uint8] = classes[becomes]
            return final
        target = _largest_neighbours(sizes, pairs, least)
        pairs = target[pairs]
        # Regions of one class that were apart may be neighbours now: they are one.
        same = classes[pairs[:, 0]] == classes[pairs[:, 1]]
        links = np.concatenate([np.column_stack([np.arange(len(target)), target]), pairs[same]])
        group = _united(np.arange(len(target)), links)
        merged = np.zeros(group.max() + 1, np.uint8)
        merged[group[target]] = classes[target]
        classes, sizes, becomes = merged, np.bincount(group, sizes).astype(np.float64), group[becomes]
        pairs = np.sort(group[pairs[~same]], axis=1)


def _largest_neighbours(sizes: NDArray[np.float64], pairs: NDArray[np.int64], least: float) -> NDArray[np.int64]:
    """Where each region goes: itself, or at the end of the way from larger to larger neighbours."""
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    source, to = pairs[sizes[pairs[:, 0]] < least].T
    order = np.lexsort((to, sizes[to], source))
    source, to = source[order], to[order]
    last = np.append(source[1:] != source[:-1], True)
    source, to = source[last], to[last]
    larger = (sizes[to] > sizes[source]) | ((sizes[to] == sizes[source]) & (to > source))
    target = np.arange(len(sizes))
    target[source[larger]] = to[larger]
    while not np.array_equal(further := target[target], target):
        target = further
    return target
