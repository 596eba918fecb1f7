"""Counts a window of a tile: truth and prediction in, `EvaluationCounts` of the blocks it touches out."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.evaluation.boundary_f1 import find_boundaries
from components.evaluation.calibration import reliability_counts
from components.evaluation.confusion import confusion_matrix
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.erosion import erode_boundaries
from components.evaluation.halo import inside, with_halo
from components.geo.window import Window


def count_window(
    tile: str,
    tile_shape: tuple[int, int],
    window: Window,
    outer: Window,
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    class_count: int,
    options: CountingOptions,
    *,
    confidence: NDArray[np.floating] | None = None,
    eroded_truth: NDArray[np.uint8] | None = None,
    ignored_ids: Sequence[int] = (),
) -> EvaluationCounts:
    """Counts the pixels of `window`; the sum over windows that tile a tile does not depend on how it was cut.

    A patch record is a tile of its own, for it has no neighbours: `window`, `outer` and `tile_shape` are then the
    patch, and `block_px` None. What overlaps another patch, set to void in `truth`, is not counted.

    Args:
        tile: The tile's id.
        tile_shape: Its height and width.
        window: The pixels that are counted.
        outer: What the arrays show: at least `with_halo(window, options.halo, *tile_shape)`.
        truth: Class ids `(outer.height, outer.width)`; whatever is no class is void.
        predicted: Class ids of the same shape, all below `class_count` where the truth is not void.
        class_count: K.
        options: How to count.
        confidence: The predicted class's score, 0 to 1; None counts no reliability.
        eroded_truth: The truth with eroded boundaries if the data set has one; None erodes `truth`.
        ignored_ids: Classes whose truth is void for boundaries and reliability. The matrices keep them: figures leave
            them out (`figures.without_truth_of`), areas do not.

    Raises:
        ValueError: If the arrays do not fit `outer`, or `outer` lacks part of the halo.
    """
    given = {"truth": truth, "predicted": predicted, "confidence": confidence, "eroded_truth": eroded_truth}
    for name, array in given.items():
        if array is not None and array.shape != (outer.height, outer.width):
            raise ValueError(f"{name} has shape {array.shape}; {outer} needs {(outer.height, outer.width)}")
    needed = with_halo(window, options.halo, *tile_shape)
    if needed.intersection(outer) != needed:
        raise ValueError(f"the counts of {window} depend on {needed}; received {outer}")
    if eroded_truth is None:
        eroded_truth = erode_boundaries(truth, options.erosion_px)
    scored_truth = void_of(truth, ignored_ids)
    boundaries = find_boundaries(scored_truth, predicted, class_count, options.boundary_px)
    parts = list(block_parts(tile, window, options.block_px))
    counts = EvaluationCounts.none(class_count, options)
    arrays = {name: np.zeros((len(parts), *array.shape[1:]), np.int64) for name, array in counts.arrays.items()}
    for i, (_, part) in enumerate(parts):
        place = inside(part, outer)
        arrays["confusion"][i] = confusion_matrix(truth[place], predicted[place], class_count)
        arrays["eroded"][i] = confusion_matrix(eroded_truth[place], predicted[place], class_count)
        arrays["boundary"][i] = boundaries.count(class_count, place)
        if confidence is not None:
            arrays["reliability"][i] = reliability_counts(
                scored_truth[place], predicted[place], confidence[place], class_count, options.bins
            )
    return EvaluationCounts(class_count, options, tuple(unit for unit, _ in parts), **arrays)


def void_of(truth: NDArray[np.uint8], ignored_ids: Sequence[int]) -> NDArray[np.uint8]:
    """The truth with `VOID_ID` in the place of some classes; the array itself where there are none."""
    if not ignored_ids:
        return truth
    return np.where(np.isin(truth, list(ignored_ids)), np.uint8(VOID_ID), truth)


def block_parts(tile: str, window: Window, block_px: int | None) -> Iterator[tuple[Unit, Window]]:
    """The blocks that a window touches, with the part of each that lies in the window, in the order of the units."""
    if block_px is None:
        yield Unit(tile), window
        return
    for row in range(window.row // block_px, -(-window.row_stop // block_px)):
        for col in range(window.col // block_px, -(-window.col_stop // block_px)):
            part = window.intersection(Window(row * block_px, col * block_px, block_px, block_px))
            if part is not None:
                yield Unit(tile, row, col), part
