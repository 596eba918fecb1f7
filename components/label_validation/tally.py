"""Counts what a tile's labels hold: pixels per class, void, and values of no class with their places."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.classes import UNKNOWN_ID, VOID_ID
from components.label_validation.facts import LabelTally, UnknownValue

MOST_VALUES = 5
"""How many values of no class are named for one tile."""

MOST_KEPT = 100_000
"""How many different ones are told apart: a label that was compressed with loss has tens of thousands of colours, a
16-bit one read by mistake could have any number. Later ones are counted, but cannot be named."""


class Tallier:
    """Sums over one tile or one part of it, at full resolution.

    Args:
        class_count: K.
    """

    def __init__(self, class_count: int) -> None:
        self._class_count = class_count
        self._counts = np.zeros(256, np.int64)
        self._seen: dict[int, tuple[int, int, int]] = {}  # raw value -> pixels, row, col

    def add(self, ids: NDArray[np.uint8], row: int, col: int, read_raw: Callable[[], NDArray[np.int64]]) -> None:
        """Adds a strip.

        Args:
            ids: `(height, width)` uint8 class ids.
            row, col: Of its upper left pixel in the tile.
            read_raw: Gives the raw values `(height, width)`; called only where there are pixels of no class.
        """
        counts = np.bincount(ids.ravel(), minlength=256)
        self._counts += counts
        if not counts[UNKNOWN_ID]:
            return
        rows, cols = np.nonzero(ids == UNKNOWN_ID)
        values, first, pixels = np.unique(read_raw()[rows, cols], return_index=True, return_counts=True)
        for value, i, count in zip(values.tolist(), first.tolist(), pixels.tolist(), strict=True):
            known = self._seen.get(value)
            if known is not None:
                self._seen[value] = (known[0] + count, known[1], known[2])
            elif len(self._seen) < MOST_KEPT:
                self._seen[value] = (count, int(rows[i]) + row, int(cols[i]) + col)

    def include(self, other: "Tallier") -> None:
        """Adds another part of the tile."""
        self._counts += other._counts
        for value, (pixels, row, col) in other._seen.items():
            known = self._seen.get(value)
            if known is not None:
                row, col = min((row, col), known[1:])
                self._seen[value] = (known[0] + pixels, row, col)
            elif len(self._seen) < MOST_KEPT:
                self._seen[value] = (pixels, row, col)

    def tally(self, describe: Callable[[int], str]) -> LabelTally:
        """What was counted.

        Args:
            describe: A raw value in words.
        """
        frequent = sorted(self._seen.items(), key=lambda item: (-item[1][0], item[0]))[:MOST_VALUES]
        return LabelTally(
            pixels=int(self._counts.sum()),
            by_class=tuple(int(n) for n in self._counts[: self._class_count]),
            void=int(self._counts[VOID_ID]),
            unknown=int(self._counts[UNKNOWN_ID]),
            unknown_values=tuple(
                UnknownValue(text=describe(value), pixels=pixels, row=row, col=col)
                for value, (pixels, row, col) in frequent
            ),
        )
