"""Statistics of bands and of classes over a sample of a tile's pixels, summed strip by strip.

Every k-th row and every m-th column of the tile is taken, about a million pixels whatever the tile's size: their mean
has a thousandth of the pixels' own standard deviation as its error, far below every threshold, and the cost no longer
grows with the tile. Tiles of up to `SAMPLED_ROWS x SAMPLED_COLS` pixels are taken whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.geo.window import Window
from components.label_validation.band_origins import BandOrigin
from components.label_validation.facts import BandFacts, ClassColours

SAMPLED_ROWS, SAMPLED_COLS = 768, 1536


class PixelSample:
    """Sums of one tile, or of one part of it.

    Args:
        area: What is measured of the tile; it decides which pixels are taken. Samples of one area can be joined.
        bands: In record order.
        class_count: K.
    """

    def __init__(self, area: Window, bands: Sequence[BandOrigin], class_count: int) -> None:
        self._bands = tuple(bands)
        self._class_count = class_count
        self._row_step = -(-area.height // SAMPLED_ROWS)
        self._col_step = -(-area.width // SAMPLED_COLS)
        self._first_row, self._first_col = area.row, area.col
        # By band and class id; the last column is for pixels without a usable id.
        self._sums = np.zeros((2, len(self._bands), class_count + 1))
        self._counts = np.zeros(class_count + 1, np.int64)
        self._extremes = [_Extremes() for _ in self._bands]
        self._places = np.zeros((class_count + 1, 2), np.int64)
        self._most_in_piece = np.zeros(class_count + 1, np.int64)

    def add(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_] | None, ids: NDArray[np.uint8] | None, row: int, col: int
    ) -> None:
        """Adds a piece of the area.

        Args:
            pixels: `(height, width, bands)`.
            valid: `(height, width)`, or None where all pixels are valid.
            ids: `(height, width)` class ids, or None where they do not fit onto the image.
            row, col: Of the first pixel, in tile pixels.
        """
        top, left = (self._first_row - row) % self._row_step, (self._first_col - col) % self._col_step
        picked = (slice(top, None, self._row_step), slice(left, None, self._col_step))
        sample = pixels[picked].reshape(-1, pixels.shape[-1])
        kept = None if valid is None else valid[picked].ravel()
        classes = np.full(len(sample), self._class_count, np.uint8) if ids is None else ids[picked].ravel()
        positions = np.arange(len(sample))
        if kept is not None:
            sample, classes, positions = sample[kept], classes[kept], positions[kept]
        if not len(sample):
            return
        classes = np.minimum(classes, self._class_count)
        size = self._class_count + 1
        counts = np.bincount(classes, minlength=size)
        self._counts += counts
        one_of = np.zeros(size, np.int64)
        one_of[classes] = positions
        a_row = -(-(pixels.shape[1] - left) // self._col_step)
        places = np.stack(
            [row + top + one_of // a_row * self._row_step, col + left + one_of % a_row * self._col_step], axis=1
        )
        self._keep_places(counts, places)
        for i in range(len(self._bands)):
            values = sample[:, i].astype(np.float64)
            self._extremes[i].add(values)
            self._sums[0, i] += np.bincount(classes, values, size)
            self._sums[1, i] += np.bincount(classes, values * values, size)

    def include(self, other: "PixelSample") -> None:
        """Adds another part's sample of the same area."""
        self._sums += other._sums
        self._counts += other._counts
        for own, others in zip(self._extremes, other._extremes, strict=True):
            own.include(others)
        self._keep_places(other._most_in_piece, other._places)

    def _keep_places(self, counts: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Of each class, the place that comes from where there is most of it."""
        more = counts > self._most_in_piece
        self._places[more] = places[more]
        self._most_in_piece[more] = counts[more]

    def bands(self) -> tuple[BandFacts, ...]:
        """Statistics of each band; none where no pixel is valid."""
        count = int(self._counts.sum())
        if not count:
            return ()
        facts = []
        for band, total, squares, extremes in zip(
            self._bands, self._sums[0].sum(1), self._sums[1].sum(1), self._extremes, strict=True
        ):
            mean, stddev = _moments(total, squares, count)
            facts.append(
                BandFacts(
                    name=band.name,
                    pixels=count,
                    mean=float(mean),
                    stddev=float(stddev),
                    low=extremes.low,
                    high=extremes.high,
                    share_low=extremes.at_low / count,
                    share_high=extremes.at_high / count,
                    rasters=band.rasters,
                    as_stored=band.as_stored,
                )
            )
        return tuple(facts)

    def classes(self) -> tuple[ClassColours | None, ...]:
        """Colours of each class."""
        facts: list[ClassColours | None] = []
        for i, count in enumerate(self._counts[: self._class_count].tolist()):
            if not count:
                facts.append(None)
                continue
            mean, stddev = _moments(self._sums[0, :, i], self._sums[1, :, i], count)
            row, col = self._places[i].tolist()
            facts.append(
                ClassColours(pixels=count, mean=tuple(mean.tolist()), stddev=tuple(stddev.tolist()), row=row, col=col)
            )
        return tuple(facts)


@dataclass
class _Extremes:
    """Lowest and highest value so far, and how often each was seen."""

    low: float = np.inf
    high: float = -np.inf
    at_low: int = 0
    at_high: int = 0

    def add(self, values: NDArray[np.float64]) -> None:
        low, high = float(values.min()), float(values.max())
        self.include(_Extremes(low, high, int(np.count_nonzero(values == low)), int(np.count_nonzero(values == high))))

    def include(self, other: "_Extremes") -> None:
        if other.low <= self.low:
            self.low, self.at_low = other.low, other.at_low + (self.at_low if other.low == self.low else 0)
        if other.high >= self.high:
            self.high, self.at_high = other.high, other.at_high + (self.at_high if other.high == self.high else 0)


def _moments(total: Any, squares: Any, count: int) -> tuple[Any, Any]:
    """Mean and standard deviation from the sums of values and of squares."""
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean * mean, 0))
