"""How far figures would move if other tiles had been labelled: intervals by bootstrap over tiles or blocks.

Pixels of a tile resemble each other, so a million of them are not a million trials. What is drawn again, with
replacement, is therefore the unit that was chosen: the tile, or a block of ground large against what it shows. Of U
units, U are drawn R times over; each time their counts are summed and every figure is divided once. The interval is
that between the percentiles of the R values (Efron & Tibshirani 1993, chapter 13; over clusters: Davison & Hinkley
1997, section 3.8).

Two models are compared on the same draws, so that what makes a tile hard for both cancels out.

Where there is nothing to draw from there is no interval, and it is NaN, never of width zero: with one unit, and for a
figure that is not defined in more than 1 - level of the draws, as that of a class which stands in one tile alone. From
fewer than about ten units the percentiles are too close together; say how many there were.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DEFAULT_RESAMPLES = 2000
DEFAULT_LEVEL = 0.95

FigureArrays = Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]
"""Summed counts `(R, ...)` in, each figure `(R,)` out: `figure_arrays` with its classes bound, for instance."""

_NUMBERS_AT_ONCE = 4_000_000
"""Of weights and of sums, each: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; `low` and `high` are NaN where there is none."""

    value: float
    low: float
    high: float
    units: int


@dataclass(frozen=True)
class Difference:
    """A figure of a first model less that of a second, on the same units.

    Attributes:
        value: The difference on all units.
        low: Of the interval; above 0, the first model is better with that confidence.
        high: Of the interval.
        share_above_zero: The share of draws in which the first is better; NaN where there is no interval.
        units: How many units were drawn from.
    """

    value: float
    low: float
    high: float
    share_above_zero: float
    units: int


def bootstrap_intervals(
    counts: ArrayLike,
    figures: FigureArrays,
    *,
    seed: int = 0,
    resamples: int = DEFAULT_RESAMPLES,
    level: float = DEFAULT_LEVEL,
) -> dict[str, Interval]:
    """Intervals of all figures at once.

    Args:
        counts: `(U, ...)`, what is summed, for each unit; units that counted nothing are left out.
        figures: Makes the figures of summed counts.
        seed: The same seed gives the same draws, for the same number of units in the same order.
        resamples: R.
        level: Of confidence.
    """
    units = np.asarray(counts, np.float64)
    units = units[_counted(units)]
    drawn = _drawn_figures(units, figures, seed, resamples)
    return {
        name: Interval(float(value[0]), *_percentiles(drawn.get(name), float(value[0]), level), len(units))
        for name, value in figures(units.sum(axis=0)[None]).items()
    }


def paired_differences(
    first: ArrayLike,
    second: ArrayLike,
    figures: FigureArrays,
    *,
    seed: int = 0,
    resamples: int = DEFAULT_RESAMPLES,
    level: float = DEFAULT_LEVEL,
) -> dict[str, Difference]:
    """How much better the first model is than the second, for all figures at once.

    Args:
        first: `(U, ...)` counts of the first model.
        second: Those of the second, on the same units in the same order.
        figures: Makes the figures of summed counts.
        seed: Of the draws.
        resamples: R.
        level: Of confidence.

    Raises:
        ValueError: If the shapes differ.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"the models' counts have shapes {one.shape} and {other.shape}; they must be the same")
    counted = _counted(one) | _counted(other)
    one, other = one[counted], other[counted]
    # The same seed and number of units: the same draws.
    drawn_of_one = _drawn_figures(one, figures, seed, resamples)
    drawn_of_other = _drawn_figures(other, figures, seed, resamples)
    whole_of_one, whole_of_other = figures(one.sum(axis=0)[None]), figures(other.sum(axis=0)[None])
    found = {}
    for name in whole_of_one:
        value = float(whole_of_one[name][0] - whole_of_other[name][0])
        drawn = drawn_of_one[name] - drawn_of_other[name] if drawn_of_one else None
        low, high = _percentiles(drawn, value, level)
        share = float("nan")
        if drawn is not None and not np.isnan(low):
            share = float((drawn[~np.isnan(drawn)] > 0).mean())
        found[name] = Difference(value, low, high, share, len(one))
    return found


def _counted(units: NDArray[np.float64]) -> NDArray[np.bool_]:
    counted: NDArray[np.bool_] = units.any(axis=tuple(range(1, units.ndim)))
    return counted


def _drawn_figures(
    units: NDArray[np.float64], figures: FigureArrays, seed: int, resamples: int
) -> dict[str, NDArray[np.float64]]:
    """Each figure `(R,)`; empty where there are too few units to draw from."""
    if len(units) < 2:
        return {}
    parts = [figures(sums) for sums in _drawn_sums(units, seed, resamples)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _drawn_sums(units: NDArray[np.float64], seed: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Summed counts `(r, ...)`, a few draws at a time, R in all."""
    rng = np.random.default_rng(seed)
    flat = units.reshape(len(units), -1)
    at_once = max(1, _NUMBERS_AT_ONCE // max(flat.shape))
    for start in range(0, resamples, at_once):
        draws = min(at_once, resamples - start)
        weights = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=draws)
        yield (weights.astype(np.float64) @ flat).reshape(draws, *units.shape[1:])


def _percentiles(drawn: NDArray[np.float64] | None, value: float, level: float) -> tuple[float, float]:
    if drawn is None or np.isnan(value):
        return float("nan"), float("nan")
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < level * len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
