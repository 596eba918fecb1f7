"""The figures of whole tiles, of all of them and of slices, beside the latest blessed model's."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.evaluation.all_figures import ScoredClasses, all_differences, all_figures, all_intervals
from components.evaluation.bootstrap import DEFAULT_RESAMPLES, Interval
from components.evaluation.counts import EvaluationCounts
from components.evaluation.gate import NO_BLESSED_MODEL, ViewFigures
from components.evaluation.slices import slices_by_presence, slices_by_tile, slices_by_zone
from components.options import Options


class BootstrapOptions(Options):
    """How intervals are made."""

    over: Literal["tiles", "blocks"] = "tiles"
    """What is drawn again: whole tiles, or the blocks that counts are kept in. Blocks of one tile resemble each other
    more than tiles do, so take them where the split is made of blocks of a few tiles."""
    resamples: int = Field(default=DEFAULT_RESAMPLES, ge=100)
    """How often."""
    seed: int = 0
    """The same seed gives the same intervals."""

    def units_of(self, counts: EvaluationCounts) -> EvaluationCounts:
        """The counts by what is drawn again."""
        return counts.by_tile() if self.over == "tiles" else counts

    def intervals(self, counts: EvaluationCounts, classes: ScoredClasses) -> dict[str, Interval]:
        """All figures with their 95 % intervals."""
        return all_intervals(self.units_of(counts), classes, seed=self.seed, resamples=self.resamples)


def all_slices(counts: EvaluationCounts, class_names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Every slice by the name that gates use: `tile/a`, `zone/a/r0c2`, `with/roof`, `without/roof`."""
    named = {f"tile/{name}": places for name, places in slices_by_tile(counts).items()}
    named |= {f"zone/{name}": places for name, places in slices_by_zone(counts).items()}
    return named | slices_by_presence(counts, class_names)


def part_of(counts: EvaluationCounts, places: NDArray[np.intp]) -> EvaluationCounts:
    """The units of a slice."""
    taken = {counts.units[place] for place in places}
    return counts.where(lambda unit: unit in taken)


def view_figures(
    candidate: EvaluationCounts,
    blessed: EvaluationCounts | None,
    classes: ScoredClasses,
    slice_names: Iterable[str],
    bootstrap: BootstrapOptions,
    not_compared: str = NO_BLESSED_MODEL,
) -> ViewFigures:
    """What gates on whole tiles are judged by.

    Args:
        candidate: Of the new model.
        blessed: Of the latest blessed one, on the same tiles; None where it is not compared.
        classes: The classes.
        slice_names: The slices that are asked for; those that no unit is in are left out.
        bootstrap: How differences get their intervals.
        not_compared: Why `blessed` is None.

    Raises:
        ValueError: If the two were not counted on the same units in the same way.
    """
    slices = {}
    wanted = set(slice_names)
    # By the candidate's truth: both models were counted on the same pixels.
    for name, places in all_slices(candidate, classes.names).items() if wanted else ():
        if name in wanted:
            theirs = None if blessed is None else part_of(blessed, places)
            slices[name] = _figures(part_of(candidate, places), theirs, classes, bootstrap, not_compared, {})
    return _figures(candidate, blessed, classes, bootstrap, not_compared, slices)


def _figures(
    candidate: EvaluationCounts,
    blessed: EvaluationCounts | None,
    classes: ScoredClasses,
    bootstrap: BootstrapOptions,
    not_compared: str,
    slices: dict[str, ViewFigures],
) -> ViewFigures:
    ours = all_figures(candidate, classes)
    if blessed is None:
        return ViewFigures(ours, None, {}, slices, not_compared)
    differences = all_differences(
        bootstrap.units_of(candidate), bootstrap.units_of(blessed), classes,
        seed=bootstrap.seed, resamples=bootstrap.resamples,
    )  # fmt: skip
    return ViewFigures(ours, all_figures(blessed, classes), differences, slices, not_compared)
