"""What chance alone makes of a stability index: that of as many tiles drawn from the training's own.

A single tile is no sample of a landscape: one with a lake in it is far from the training split, and nothing has
drifted. So an index is held against those of n tiles that are drawn, with replacement, from the reference's tiles.
They are part of the reference they are compared with, which makes these indices a little too small where there are few.
"""

import numpy as np
from numpy.typing import ArrayLike

from components.drift.divergence import population_stability_index

LEAST_TILES = 5
"""Of fewer, nothing can be said."""
DRAWS = 400
QUANTILE = 0.95


def index_by_chance(tiles: ArrayLike, maps: int, seed: int = 0) -> float | None:
    """The index that `maps` tiles of the reference exceed in one of twenty draws.

    Args:
        tiles: `(tiles, groups)` counts of each tile of the reference.
        maps: How many are compared with it, at least 1.
        seed: Of the draws.

    Returns:
        None where the reference has too few tiles to tell.
    """
    counts = np.asarray(tiles, np.float64)
    if counts.ndim != 2:
        return None
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < LEAST_TILES:
        return None
    rng = np.random.default_rng(seed)
    times = rng.multinomial(maps, np.full(len(counts), 1 / len(counts)), DRAWS)
    indices = population_stability_index(counts.sum(axis=0), times @ counts)
    return float(np.quantile(indices, QUANTILE))
