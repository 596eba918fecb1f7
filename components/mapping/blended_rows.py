"""Rows of a tile with the blended scores of every class, and what maps are made of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from components.classes import VOID_ID

CONFIDENCE_NODATA = 255
SCORES_NODATA = 255
SCORES_SCALE = 254
"""Scores in files are probabilities times this, so that 255 is free for nodata."""

_TOP = np.float32(255)
"""What the model sends for a probability of 1."""


@dataclass(frozen=True)
class BlendedRows:
    """Some rows of the tile. The arrays are overwritten when the next rows are asked for.

    Attributes:
        row: The first one's number.
        sums: `(K, rows, width)` float32: blended scores times `weights`.
        weights: `(rows, width)` float32, or `(1, 1)`: what to divide by for scores of 0 to 255.
        valid: `(rows, width)` bool; False is nodata.
    """

    row: int
    sums: NDArray[np.float32]
    weights: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def class_ids(self) -> NDArray[np.uint8]:
        """`(rows, width)` uint8: the class with the highest score, the first of equals; `VOID_ID` at nodata."""
        return self._best[0]

    def confidence(self) -> NDArray[np.uint8]:
        """`(rows, width)` uint8: the best class's blended probability in percent; 255 at nodata."""
        class_ids, best = self._best
        percent: NDArray[np.uint8] = np.rint(best * (100 / _TOP) / self.weights).astype(np.uint8)
        percent[class_ids == VOID_ID] = CONFIDENCE_NODATA
        return percent

    def scores(self) -> NDArray[np.uint8]:
        """`(K, rows, width)` uint8: every class's blended probability times 254; 255 at nodata."""
        scores: NDArray[np.uint8] = np.rint(self.sums * (SCORES_SCALE / _TOP) / self.weights).astype(np.uint8)
        scores[:, self.class_ids() == VOID_ID] = SCORES_NODATA
        return scores

    @cached_property
    def _best(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The best class and its sum. A running maximum over the classes: `argmax` takes ten times as long."""
        best = self.sums[0].copy()
        class_ids = np.zeros(best.shape, np.uint8)
        is_better = np.empty(best.shape, np.bool_)
        as_number = is_better.view(np.uint8)
        for class_id in range(1, len(self.sums)):
            np.greater(self.sums[class_id], best, out=is_better)
            np.maximum(self.sums[class_id], best, out=best)
            np.multiply(as_number, np.uint8(class_id), out=as_number)
            np.maximum(class_ids, as_number, out=class_ids)
        class_ids[~self.valid] = VOID_ID
        # No patch had anything to say here: a valid pixel all of whose surroundings are nodata at the model's
        # resolution. A soft-max of fewer than 511 classes never gives zeros alone.
        class_ids[best <= 0] = VOID_ID
        return class_ids, best
