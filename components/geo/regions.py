"""Regions of a class raster: pixels of one class that are joined by their edges."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID


@dataclass(frozen=True)
class Regions:
    """The regions of a raster, in the order of their first pixels; region `i` has the label `i + 1`.

    Attributes:
        labels: `(height, width)` int32; 0 is nodata.
        class_ids: `(regions,)` uint8.
        pixels: `(regions,)` int64.
        areas: `(regions,)` float64, in square metres where row areas were given, else 0.
        first: `(regions, 2)` int64: row and column of the region's first pixel, row by row.
        last_row: `(regions,)` int64.
    """

    labels: NDArray[np.int32]
    class_ids: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    areas: NDArray[np.float64]
    first: NDArray[np.int64]
    last_row: NDArray[np.int64]


def label_regions(class_ids: NDArray[np.uint8], row_areas: NDArray[np.float64] | None = None) -> Regions:
    """Finds the regions, all classes in one pass over runs of equal pixels, of which there are far fewer than pixels.

    Args:
        class_ids: `(height, width)` uint8; `VOID_ID` is nodata.
        row_areas: `(height,)`: square metres of a pixel in each row.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    height, width = class_ids.shape
    starts = np.ones((height, width), np.bool_)
    np.not_equal(class_ids[:, 1:], class_ids[:, :-1], out=starts[:, 1:])
    run_of = (np.cumsum(starts.ravel(), dtype=np.int32) - 1).reshape(height, width)
    row, col = np.nonzero(starts)
    run_class = class_ids[row, col]
    length = np.diff(np.append(row * width + col, height * width))

    # Two runs of one class in neighbouring rows touch where either of them begins.
    touching = (starts[1:] | starts[:-1]) & (class_ids[1:] == class_ids[:-1])
    above, below = run_of[:-1][touching], run_of[1:][touching]
    runs = len(row)
    graph = coo_matrix((np.ones(len(above), np.bool_), (above, below)), (runs, runs))
    _, group = connected_components(graph, directed=False)

    valid = run_class != VOID_ID
    _, first_run, group = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(first_run)
    order = order[valid[first_run[order]]]
    label_of_group = np.zeros(len(first_run), np.int32)
    label_of_group[order] = np.arange(1, len(order) + 1)
    label = label_of_group[group]

    count = len(order)
    last_row = np.zeros(count + 1, np.int64)
    last_row[label] = row  # runs come row by row: the last assignment stays
    weights = length * row_areas[row] if row_areas is not None else np.zeros(runs)
    first = first_run[order]
    return Regions(
        labels=label[run_of],
        class_ids=run_class[first],
        pixels=np.bincount(label, length, count + 1)[1:].astype(np.int64),
        areas=np.bincount(label, weights, count + 1)[1:].astype(np.float64),
        first=np.column_stack([row[first], col[first]]).astype(np.int64),
        last_row=last_row[1:],
    )
