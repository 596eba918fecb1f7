"""Truth with eroded boundaries, as ISPRS scores: pixels near another class do not count.

"To reduce the impact of uncertain border definitions", the ISPRS 2D semantic labelling contest also scores against
references "where the boundaries of objects are eroded by a circular disc of 3 pixel radius"; what is eroded is ignored
(Gerke et al. 2014, ISPRS WG III/4). Here: a pixel p becomes void if there is a pixel q of another class with

    (row_p - row_q)^2 + (col_p - col_q)^2 <= radius^2

Not a boundary is the tile's edge, where nothing is known of what lies beyond, nor, for the same reason, the border
between a class and void. So erosion of an eroded truth changes nothing, and the edge of an area of interest costs no
pixels. Where a data set brings its own eroded raster (`data.ignore`, the noBoundary files), take that: how its authors
rounded their disc is not published.

A window needs a halo of `radius` pixels for the same result as the whole tile.
"""

import numpy as np
from numpy.typing import NDArray

from components.classes import MAX_CLASSES, VOID_ID
from components.evaluation.disc import over_disc

ISPRS_RADIUS = 3
"""Pixels."""


def erode_boundaries(truth: NDArray[np.uint8], radius: int = ISPRS_RADIUS) -> NDArray[np.uint8]:
    """The truth with `VOID_ID` wherever another class lies within `radius` pixels.

    Args:
        truth: Class ids `(height, width)`; ids of `MAX_CLASSES` and above are void.
        radius: In pixels; 0 changes nothing.

    Returns:
        A new array `(height, width)`.

    Raises:
        ValueError: If the radius is negative.
    """
    is_void = truth >= MAX_CLASSES
    has_void = bool(is_void.any())
    # All classes in the disc are one and the same exactly if the smallest id is the largest: no loop over classes.
    # Void takes part in neither: above all ids where the smallest is sought, below where the largest is.
    smallest = over_disc(truth, radius, np.minimum, VOID_ID)
    largest = over_disc(np.where(is_void, np.uint8(0), truth) if has_void else truth, radius, np.maximum, 0)
    eroded = truth.copy()
    near_another = smallest != largest
    if has_void:
        near_another &= ~is_void
    eroded[near_another] = VOID_ID
    return eroded
