"""Made-up evaluation counts: units given by hand, or drawn."""

import numpy as np
from hypothesis import strategies as st

from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit

CLASS_COUNT = 3
OPTIONS = CountingOptions(block_px=16, bins=4)


def make_counts(matrices: dict[Unit, list[list[int]]], options: CountingOptions = OPTIONS) -> EvaluationCounts:
    """Counts with these confusion matrices, half of each (rounded down) on the eroded truth, and nothing else."""
    units = tuple(sorted(matrices))
    confusion = np.array([matrices[unit] for unit in units], np.int64)
    empty = EvaluationCounts.none(confusion.shape[1], options)
    rest = {name: np.zeros((len(units), *array.shape[1:]), np.int64) for name, array in empty.arrays.items()}
    return EvaluationCounts(
        confusion.shape[1], options, units, **{**rest, "confusion": confusion, "eroded": confusion // 2}
    )


@st.composite
def drawn_counts(draw: st.DrawFn) -> EvaluationCounts:
    """Counts of up to four units among six, all arrays filled."""
    every = [Unit(tile, row, col) for tile in ("a", "é b/c") for row, col in ((0, 0), (0, 1), (2, 0))]
    units = sorted(draw(st.sets(st.sampled_from(every), max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    shapes = EvaluationCounts.none(CLASS_COUNT, OPTIONS).arrays
    arrays = {name: rng.integers(0, 10**12, (len(units), *array.shape[1:])) for name, array in shapes.items()}
    return EvaluationCounts(CLASS_COUNT, OPTIONS, tuple(units), **arrays)
