"""Judges a model by its gates: figures in, a verdict with value, bound and reason for each bound out.

A figure that is missing or NaN fails every bound. Bounds that compare with the latest blessed model pass where there is
none, or none that can be compared, and say so.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from components.evaluation.bootstrap import Difference
from components.evaluation.gate_options import PATCHES, TILES, Gate, View

__all__ = ["Gate", "GateVerdict", "View", "ViewFigures", "judge"]

NO_BLESSED_MODEL = "there is no blessed model of these classes, bands and patches to compare with"


@dataclass(frozen=True)
class ViewFigures:
    """What the gates of one view are judged by.

    Attributes:
        candidate: The new model's figures.
        blessed: The latest blessed model's on the same records or tiles; None where it is not compared.
        differences: The candidate's less the blessed model's, by paired bootstrap; empty where it is not compared.
        slices: The same of parts of the split, by the slice's name.
        not_compared: Why there is no blessed model's figure.
    """

    candidate: Mapping[str, float]
    blessed: Mapping[str, float] | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    slices: Mapping[str, "ViewFigures"] = field(default_factory=dict)
    not_compared: str = NO_BLESSED_MODEL


@dataclass(frozen=True)
class GateVerdict:
    """One bound of a gate, judged.

    Attributes:
        metric: The figure's name.
        bound: In words: `at least 0.4`, `at most 0.005 below the blessed model's 0.51`.
        value: The figure; NaN where it is absent.
        passed: A missing or NaN figure never passes.
        reason: A sentence for a person.
        view: `patches` or `tiles`.
        slice: The part of the split; None is all of it.
    """

    metric: str
    bound: str
    value: float
    passed: bool
    reason: str
    view: View = PATCHES
    slice: str | None = None


def judge(
    gates: Sequence[Gate],
    candidate: Mapping[str, float],
    blessed: Mapping[str, float] | None,
    *,
    tiles: ViewFigures | None = None,
    not_compared: str = NO_BLESSED_MODEL,
) -> list[GateVerdict]:
    """Judges each bound of each gate.

    Args:
        gates: The gates.
        candidate: The new model's figures on the patch records.
        blessed: The latest blessed model's figures on the same records, None where there is no such model: then
            gates on change pass, and say so.
        tiles: Those of whole tiles; None fails every gate on them.
        not_compared: Why `blessed` is None.
    """
    views = {PATCHES: ViewFigures(candidate, blessed, not_compared=not_compared), TILES: tiles or ViewFigures({})}
    verdicts = []
    for gate in gates:
        found = views[gate.view]
        if gate.slice is not None:
            found = found.slices.get(gate.slice, ViewFigures({}, not_compared=found.not_compared))
        verdicts += list(_judge_gate(gate, found))
    return verdicts


def _judge_gate(gate: Gate, found: ViewFigures) -> Iterator[GateVerdict]:
    value = found.candidate.get(gate.metric, math.nan)
    is_there = not math.isnan(value)
    where = "" if gate.view == PATCHES else " of whole tiles"
    where += "" if gate.slice is None else f" in {gate.slice}"
    said = f"{gate.metric}{where} is {f'{value:.4f}' if is_there else 'absent'}"

    def verdict(bound: str, passed: bool, reason: str) -> GateVerdict:
        return GateVerdict(gate.metric, bound, value, passed and is_there, f"{said}{reason}", gate.view, gate.slice)

    if gate.at_least is not None:
        passed = value >= gate.at_least
        relation = "reaches" if passed else "does not reach"
        yield verdict(f"at least {gate.at_least:g}", passed, f" and {relation} {gate.at_least:g}")
    if gate.at_most is not None:
        passed = value <= gate.at_most
        relation = "keeps to" if passed else "exceeds" if is_there else "is not known to keep to"
        yield verdict(f"at most {gate.at_most:g}", passed, f" and {relation} {gate.at_most:g}")
    if gate.max_drop is not None:
        yield verdict(*_change(gate, gate.max_drop, value, found))
    if gate.confidently_better:
        yield verdict(*_confidence(gate, found))


def _change(gate: Gate, most: float, value: float, found: ViewFigures) -> tuple[str, bool, str]:
    """Bound, whether it is kept, and the reason."""
    side = "above" if gate.lower_is_better else "below"
    if found.blessed is None:
        return f"at most {most:g} {side} the blessed model's", True, f"; {found.not_compared}"
    before = found.blessed.get(gate.metric, math.nan)
    if math.isnan(before):
        # On the same pixels, the blessed model made no pixel a class that is not there; at 0 this one did.
        told = "; the blessed model's is absent" + ("" if value > 0 else ", and this one has mistakes alone")
        return f"at most {most:g} {side} the blessed model's, which is absent", value > 0, told
    bound = f"at most {most:g} {side} the blessed model's {before:.4f}"
    limit = before + most if gate.lower_is_better else before - most
    passed = value <= limit if gate.lower_is_better else value >= limit
    relation = "keeps to" if passed else "exceeds" if gate.lower_is_better and value > limit else "falls below"
    return bound, passed, f" and {relation} {limit:.4f}"


def _confidence(gate: Gate, found: ViewFigures) -> tuple[str, bool, str]:
    bound = "better than the blessed model's with 95 % confidence"
    if found.blessed is None:
        return bound, True, f"; {found.not_compared}"
    difference = found.differences.get(gate.metric)
    if difference is None or math.isnan(difference.low):
        units = 0 if difference is None else difference.units
        return bound, False, f"; its difference from the blessed model's has no interval, made of {units} unit(s)"
    passed = difference.high < 0 if gate.lower_is_better else difference.low > 0
    interval = f"{difference.low:+.4f} to {difference.high:+.4f}"
    relation = "is confidently better" if passed else "is not confidently better"
    return bound, passed, (
        f" and {relation} than the blessed model's: it differs by {difference.value:+.4f}, 95 % interval {interval} "
        f"over {difference.units} units"
    )  # fmt: skip
