"""Two versions in one view: figures, differences with intervals where both saw the same tiles, confusion matrices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluation.all_figures import LOWER_IS_BETTER, all_differences, all_intervals
from components.evaluation.bootstrap import Difference, Interval
from components.evaluation.counts import EvaluationCounts
from components.evaluation.ratio import ratio
from components.publishing.model_card_limits import FEW_UNITS
from tfx_pipeline.report.compare_sources import ViewEvidence

BETTER, WORSE, UNDECIDED, UNKNOWN = "better", "worse", "no clear difference", "not known"


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of both versions.

    Attributes:
        a, b: With their intervals; None where a version does not have it.
        difference: b less a; its interval is NaN where the two were not paired.
    """

    name: str
    a: Interval | None
    b: Interval | None
    difference: Difference

    @property
    def verdict(self) -> str:
        """What the interval of the difference says of b: `better`, `worse`, `no clear difference`, `not known`."""
        if math.isnan(self.difference.low):
            return UNKNOWN
        sign = -1 if self.name in LOWER_IS_BETTER else 1
        low, high = sorted((sign * self.difference.low, sign * self.difference.high))
        return BETTER if low > 0 else WORSE if high < 0 else UNDECIDED


@dataclass(frozen=True)
class ComparedView:
    """One view of both versions.

    Attributes:
        key, title: `patches` or `tiles`, and for people.
        figures: By name, in the order of the first version that has them.
        a_confusion, b_confusion: `(K, K)` counts; None where not known.
        same_classes: Whether both versions have the same classes in the same order.
        paired: How many tiles or blocks the differences are paired over; 0 where they are not.
        note: How to read the differences.
    """

    key: str
    title: str
    figures: Mapping[str, ComparedFigure]
    a_confusion: NDArray[np.int64] | None
    b_confusion: NDArray[np.int64] | None
    same_classes: bool
    paired: int
    note: str

    @property
    def share_difference(self) -> NDArray[np.float64] | None:
        """`(K, K)`: b's share of each truth row less a's; NaN in a row without truth. None where classes differ."""
        one, other = self.a_confusion, self.b_confusion
        if one is None or other is None or not self.same_classes:
            return None
        return row_shares(other) - row_shares(one)


def row_shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each row as shares of its truth; NaN where there is none."""
    return ratio(confusion, confusion.sum(axis=1, keepdims=True))


def compare_view(key: str, title: str, a: ViewEvidence | None, b: ViewEvidence | None) -> ComparedView | None:
    """Compares; None where neither version has the view.

    Where both were counted by tile and some tiles have the same truth in both, all figures are those of these tiles.
    """
    if a is None and b is None:
        return None
    if a is None or b is None:
        return _side_by_side(key, title, a, b, "Only one of the two versions was evaluated in this view.")
    reason = _why_not_paired(a, b)
    if reason or a.counts is None or b.counts is None:
        return _side_by_side(key, title, a, b, reason)
    common = common_units(a.counts, b.counts)
    if common is None:
        reason = (
            "The two were evaluated on different tiles, or on tiles whose truth has changed: the differences are of "
            "the tiles as much as of the models, and have no interval."
        )
        return _side_by_side(key, title, a, b, reason)
    one, other = common
    if a.over == "tiles":
        one, other = one.by_tile(), other.by_tile()
    drawn = {"seed": a.seed, "resamples": a.resamples}
    differences = all_differences(other, one, a.classes, **drawn)
    of_a, of_b = all_intervals(one, a.classes, **drawn), all_intervals(other, b.classes, **drawn)
    figures = {name: ComparedFigure(name, of_a[name], of_b[name], differences[name]) for name in a.figures}
    units = len(one.units)
    whole = len(common[0].units) == len(a.counts.units) == len(b.counts.units)
    note = f"Both were evaluated on the same {units} {a.over}; differences are paired over them."
    if not whole:
        tiles = [len({unit.tile for unit in counts.units}) for counts in (common[0], a.counts, b.counts)]
        note = (
            f"All figures here are of the {tiles[0]} tile(s) that both were evaluated on with the same truth, of "
            f"{tiles[1]} and {tiles[2]}; the versions' own reports show all. Differences are paired over them."
        )
    if units < 2:
        note += " From one of them there is no interval."
    elif units < FEW_UNITS:
        note += f" With fewer than {FEW_UNITS}, intervals are too narrow: take a verdict as a hint."
    return ComparedView(key, title, figures, one.confusion.sum(axis=0), other.confusion.sum(axis=0), True, units, note)


def common_units(a: EvaluationCounts, b: EvaluationCounts) -> tuple[EvaluationCounts, EvaluationCounts] | None:
    """Both counts on the units that both have with the same truth; None where there is none."""
    truth_of_b = dict(zip(b.units, b.confusion.sum(axis=2), strict=True))
    same = {
        unit
        for unit, truth in zip(a.units, a.confusion.sum(axis=2), strict=True)
        if truth.any() and unit in truth_of_b and np.array_equal(truth, truth_of_b[unit])
    }
    return (a.where(same.__contains__), b.where(same.__contains__)) if same else None


def _why_not_paired(a: ViewEvidence, b: ViewEvidence) -> str:
    if a.classes.names != b.classes.names:
        return "The versions have different classes: only figures of the same name stand beside each other."
    if a.classes != b.classes:
        return "The versions were scored with different classes set aside: the differences have no interval."
    if a.counts is None or b.counts is None:
        return (
            "The counts by tile of at least one version are gone, and figures are from its model card: the differences "
            "have no interval, and nothing tells whether both saw the same tiles."
        )
    if a.counts.options != b.counts.options:
        return "The versions were counted in different ways (evaluation.counting): the differences have no interval."
    return ""


def _side_by_side(key: str, title: str, a: ViewEvidence | None, b: ViewEvidence | None, note: str) -> ComparedView:
    of_a, of_b = ({} if view is None else view.figures for view in (a, b))
    figures = {}
    for name in [*of_a, *(name for name in of_b if name not in of_a)]:
        one, other = of_a.get(name), of_b.get(name)
        value = math.nan if one is None or other is None else other.value - one.value
        figures[name] = ComparedFigure(name, one, other, Difference(value, math.nan, math.nan, math.nan, 0))
    confusions = [None if view is None else view.confusion for view in (a, b)]
    same_classes = a is not None and b is not None and a.classes.names == b.classes.names
    return ComparedView(key, title, figures, confusions[0], confusions[1], same_classes, 0, note)
