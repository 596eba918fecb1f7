"""How far one histogram is from another.

With p and q the shares of the reference and of what is compared with it, group by group:

    population stability index  PSI = sum (q - p) ln(q / p)
    Jensen-Shannon divergence   JS  = (KL(p, m) + KL(q, m)) / 2,  m = (p + q) / 2,  logarithms to the base 2

PSI is Jeffreys' divergence (Jeffreys 1946), named so in credit scoring, where its customary bands come from (Lewis,
*An Introduction to Credit Scoring*, 1994; Siddiqi, *Credit Risk Scorecards*, 2006): below 0.1 no change, 0.1 to 0.25
some, above 0.25 a large one. They are a custom and no test: Yurdakul and Naranjo ("Statistical properties of the
population stability index", Journal of Risk Model Validation 14 (4), 2020) show how it grows where samples are small,
which is why `components.drift.chance` measures what chance alone makes of it.

An empty group would make the logarithm infinite: shares count as at least `LEAST_SHARE`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_SHARE = 1e-4
SOME, LARGE = 0.1, 0.25

NONE_WORD, SOME_WORD, LARGE_WORD = "none", "some", "large"


def population_stability_index(reference: ArrayLike, compared: ArrayLike) -> NDArray[np.float64]:
    """PSI `(...)` of counts `(..., groups)`; 0 for equal shares; symmetric. NaN where a side counts nothing."""
    p, q = (np.maximum(_shares(side), LEAST_SHARE) for side in (reference, compared))
    index: NDArray[np.float64] = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def jensen_shannon(reference: ArrayLike, compared: ArrayLike) -> NDArray[np.float64]:
    """Jensen-Shannon divergence `(...)`, 0 to 1, of counts `(..., groups)`. NaN where a side counts nothing."""
    p, q = _shares(reference), _shares(compared)
    middle = (p + q) / 2
    divergence: NDArray[np.float64] = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return divergence


def level_of(index: float) -> str:
    """The customary word for a PSI."""
    if index < SOME:
        return NONE_WORD
    return SOME_WORD if index <= LARGE else LARGE_WORD


def quantile_cuts(bins: ArrayLike, counts: ArrayLike, groups: int) -> tuple[int, ...]:
    """Where to cut a reference's bins into groups of about equally many pixels, and one at each open end.

    Args:
        bins: `(n,)` ascending bin numbers.
        counts: `(n,)`, not all 0.
        groups: How many; fewer come of it where single bins hold more than their part.

    Returns:
        The first bin of every group but the first, ascending. The first and the last group lie outside the reference.
    """
    numbers, weights = np.asarray(bins, np.int64), np.asarray(counts, np.float64)
    numbers = numbers[weights > 0]
    below = np.cumsum(weights[weights > 0])
    reached = np.searchsorted(below, below[-1] * np.arange(1, groups) / groups)
    inner = np.unique(numbers[np.minimum(reached + 1, len(numbers) - 1)])
    return (*np.unique([numbers[0], *inner[inner > numbers[0]], numbers[-1] + 1]).tolist(),)


def grouped(bins: ArrayLike, counts: ArrayLike, cuts: ArrayLike) -> NDArray[np.int64]:
    """`(len(cuts) + 1,)` pixels in each group of `quantile_cuts`."""
    places = np.searchsorted(np.asarray(cuts, np.int64), np.asarray(bins, np.int64), side="right")
    sums = np.zeros(len(np.asarray(cuts)) + 1, np.int64)
    np.add.at(sums, places, np.asarray(counts, np.int64))
    return sums


def _shares(counts: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(counts, np.float64)
    total = numbers.sum(axis=-1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(numbers, total, out=np.full(numbers.shape, np.nan), where=total > 0)
    return shares


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.divide(p, q, out=np.ones(p.shape), where=p > 0)
    terms = np.where(np.isnan(p), np.nan, p * np.log2(ratio))
    entropy: NDArray[np.float64] = terms.sum(axis=-1)
    return entropy
