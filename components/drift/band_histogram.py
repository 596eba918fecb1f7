"""Histograms of a tile's or a split's bands: counted piece by piece, in bounded memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, model_validator

from components.drift.value_bins import bin_counts, code_count, count_codes, lower_value
from components.options import Options


class BandHistogram(Options):
    """The pixels of one band, in the bins of `components.drift.value_bins`.

    Raises:
        pydantic.ValidationError: If the bins do not ascend, or are not as many as the counts.
    """

    name: str
    dtype: str
    bins: tuple[int, ...]
    """Those that hold pixels, ascending."""
    counts: tuple[NonNegativeInt, ...]
    """How many each holds."""

    @model_validator(mode="after")
    def _in_order(self) -> "BandHistogram":
        code_count(self.dtype)
        if len(self.bins) != len(self.counts) or any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"band {self.name}: the bins must ascend, each with one count")
        return self

    @property
    def pixels(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def median(self) -> float | None:
        """The value of the bin that holds the middle pixel; None where there is no pixel."""
        if not self.pixels:
            return None
        middle = int(np.searchsorted(np.cumsum(self.counts), self.pixels / 2))
        return lower_value(self.bins[middle], self.dtype)


def sum_histograms(parts: Sequence[BandHistogram]) -> BandHistogram:
    """All pixels of several histograms of one band, at least one."""
    bins, place = np.unique(np.concatenate([part.bins for part in parts]).astype(np.int64), return_inverse=True)
    counts = np.zeros(len(bins), np.int64)
    np.add.at(counts, place, np.concatenate([part.counts for part in parts]).astype(np.int64))
    return parts[0].model_copy(update={"bins": tuple(bins.tolist()), "counts": tuple(counts.tolist())})


class BandCounter:
    """Counts the bands of an image, whatever its size in half a megabyte a band (2 KB for bytes).

    Args:
        names: Of the bands.
        dtype: Of the pixels.
    """

    def __init__(self, names: Sequence[str], dtype: str) -> None:
        self._names = tuple(names)
        self._dtype = dtype
        self._counts = np.zeros((len(self._names), code_count(dtype)), np.int64)

    def add(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Counts the valid pixels.

        Args:
            pixels: `(height, width, bands)`.
            valid: `(height, width)`.
        """
        everywhere = bool(valid.all())
        for i, counts in enumerate(self._counts):
            band = pixels[..., i]
            counts += count_codes(band.reshape(-1) if everywhere else band[valid])

    def histograms(self) -> tuple[BandHistogram, ...]:
        """One a band."""
        found = [bin_counts(counts, self._dtype) for counts in self._counts]
        return tuple(
            BandHistogram(name=name, dtype=self._dtype, bins=tuple(bins.tolist()), counts=tuple(counts.tolist()))
            for name, (bins, counts) in zip(self._names, found, strict=True)
        )
