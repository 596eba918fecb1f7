"""The gates a model must pass before it is pushed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field, model_validator

from components.evaluation.figures import SUMMARY_FIGURES, figure_names
from components.options import Options


class Gate(Options):
    """A bound on one figure of the evaluated split.

    Raises:
        pydantic.ValidationError: If it bounds nothing.
    """

    metric: str
    """`mean_iou`, `overall_accuracy`, `kappa`, `mean_f1`, or of one class: `iou/building`."""
    at_least: float | None = Field(default=None, ge=-1, le=1)
    """The figure itself."""
    max_drop: float | None = Field(default=None, ge=0, le=2)
    """How much lower than the latest blessed model's the figure may be, on the same records."""

    @model_validator(mode="after")
    def _bounds_something(self) -> "Gate":
        if self.at_least is None and self.max_drop is None:
            raise ValueError(f"the gate on {self.metric} has no bound; give at_least, max_drop or both")
        return self


class EvaluationOptions(Options):
    """What is evaluated, and the gates."""

    split: str | None = None
    """`eval` or `test`; None takes `test` where a tile is listed for it, else `eval`."""
    gates: tuple[Gate, ...] = ()
    """Without any, every model that has an overall accuracy at all is blessed."""

    def check_metrics(self, class_names: Sequence[str]) -> None:
        """Refuses gates on figures that will never be there.

        Raises:
            ValueError: Naming the gate and the figures there are.
        """
        known = figure_names(class_names)
        for gate in self.gates:
            if gate.metric not in known:
                raise ValueError(
                    f"gate on unknown metric '{gate.metric}'; expected one of {', '.join(SUMMARY_FIGURES)}, or "
                    f"iou/, f1/, precision/ or recall/ with a class name ({', '.join(class_names)})"
                )


@dataclass(frozen=True)
class GateVerdict:
    """One gate, judged.

    Attributes:
        metric: The figure's name.
        bound: In words: `at least 0.4`, `at most 0.005 below the blessed model's 0.51`.
        value: The figure; NaN where it is absent.
        passed: A missing or NaN figure never passes an `at_least` gate.
        reason: A sentence for a person.
    """

    metric: str
    bound: str
    value: float
    passed: bool
    reason: str


def judge(
    gates: Sequence[Gate], candidate: Mapping[str, float], blessed: Mapping[str, float] | None
) -> list[GateVerdict]:
    """Judges each bound of each gate.

    Args:
        gates: The gates.
        candidate: The new model's figures.
        blessed: The latest blessed model's figures on the same records, None where there is no such model: then
            gates on change pass, and say so.
    """
    verdicts = []
    for gate in gates:
        value = candidate.get(gate.metric, math.nan)
        shown = "absent" if math.isnan(value) else f"{value:.4f}"
        if gate.at_least is not None:
            passed = value >= gate.at_least
            relation = "reaches" if passed else "does not reach"
            verdicts.append(
                GateVerdict(
                    gate.metric,
                    f"at least {gate.at_least:g}",
                    value,
                    passed,
                    f"{gate.metric} is {shown} and {relation} {gate.at_least:g}",
                )
            )
        if gate.max_drop is not None:
            verdicts.append(_judge_drop(gate.metric, gate.max_drop, value, shown, blessed))
    return verdicts


def _judge_drop(
    metric: str, max_drop: float, value: float, shown: str, blessed: Mapping[str, float] | None
) -> GateVerdict:
    if blessed is None:
        bound = f"at most {max_drop:g} below the blessed model's"
        return GateVerdict(
            metric, bound, value, True, f"{metric} is {shown}; there is no blessed model to compare with"
        )
    before = blessed.get(metric, math.nan)
    bound = f"at most {max_drop:g} below the blessed model's {before:.4f}"
    if math.isnan(before):
        return GateVerdict(metric, bound, value, True, f"{metric} is {shown}; the blessed model's is absent")
    passed = value >= before - max_drop
    relation = "keeps to" if passed else "falls below"
    return GateVerdict(metric, bound, value, passed, f"{metric} is {shown} and {relation} {before - max_drop:.4f}")
