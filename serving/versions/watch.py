"""Whether the canary does as well as the stable version: errors, time a megapixel, class shares, confidence.

Each rule has two parts. The difference must be larger than a threshold that someone has set, and larger than chance
makes it: the same maps are dealt to the two versions anew a thousand times (a permutation test; Good, *Permutation
Tests*, 2000), and the difference must be among the largest of these. Tiles differ from each other by far more than
versions do; without the second part a few maps of another landscape would end every canary.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from components.options import Options
from serving.versions.observations import MapObservation

Figure = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
_LEAST_SHARE = 1e-4
"""Stands for a class that one side has not at all: the index's logarithm needs more than nothing."""


class WatchOptions(Options):
    """When a canary is withdrawn."""

    least_maps: PositiveInt = 20
    """Of each version, before anything is concluded."""
    most_errors: float = Field(default=0.02, ge=0, le=1)
    """By how much the canary's share of failed maps may exceed the stable version's."""
    most_slowdown: float = Field(default=1.5, ge=1)
    """The canary's median time a megapixel over the stable version's."""
    most_drift: float = Field(default=0.2, gt=0)
    """Population stability index of the class shares; 0.1 is usually called a small shift, 0.25 a large one."""
    most_confidence_loss: float = Field(default=5.0, ge=0)
    """Percentage points of mean confidence."""
    chance: float = Field(default=0.01, gt=0, lt=0.5)
    """How often dealing the same maps anew may make as large a difference."""
    permutations: PositiveInt = 1000
    seed: int = 0

    @model_validator(mode="after")
    def _can_be_reached(self) -> "WatchOptions":
        least = 1 / (self.permutations + 1)
        if self.chance < least:
            raise ValueError(f"chance {self.chance:g}: {self.permutations} permutations tell no less than {least:.4f}")
        return self


@dataclass(frozen=True)
class Rule:
    """One comparison.

    Attributes:
        name: What is compared.
        stable, canary: Of the two versions; for the drift, 0 and the index.
        difference: What is held to the threshold.
        threshold: As set.
        chance: How often dealing the same maps anew made as large a difference; 1 where it was not needed.
        breached: Whether the canary is to be withdrawn.
    """

    name: str
    stable: float
    canary: float
    difference: float
    threshold: float
    chance: float
    breached: bool


@dataclass(frozen=True)
class Verdict:
    """What the observations say.

    Attributes:
        stable_maps, canary_maps: How many there are.
        enough: Whether that is as many as it takes.
        rules: Empty where there are not.
    """

    stable_maps: int
    canary_maps: int
    enough: bool
    rules: tuple[Rule, ...]

    @property
    def breaches(self) -> list[Rule]:
        """The rules that say no."""
        return [rule for rule in self.rules if rule.breached]


def judge(stable: Sequence[MapObservation], canary: Sequence[MapObservation], options: WatchOptions) -> Verdict:
    """Compares the maps of two versions.

    Args:
        stable, canary: Of the same time, since the canary began.
        options: Thresholds.
    """
    counts = len(stable), len(canary)
    if min(counts) < options.least_maps:
        return Verdict(*counts, enough=False, rules=())
    sides = stable, canary
    failed = [np.array([[bool(item.failed)] for item in side], np.float64) for side in sides]
    seconds = [_column([item.seconds_per_megapixel for item in side if not item.failed]) for side in sides]
    confidence = [_column([item.confidence for item in side]) for side in sides]
    compared = [
        _rule("failed maps", failed, _mean_difference, _mean, options.most_errors, options),
        _rule("seconds a megapixel", seconds, _median_ratio, _median, options.most_slowdown, options),
        _rule("class shares", _class_pixels(stable, canary), stability_index, None, options.most_drift, options),
        _rule("confidence in percent", confidence, _mean_loss, _mean, options.most_confidence_loss, options),
    ]
    return Verdict(*counts, enough=True, rules=tuple(rule for rule in compared if rule is not None))


def stability_index(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Population stability index of two sets of maps: sum over classes of (q - p) ln(q / p).

    Args:
        one, other: `(maps, classes)` pixels; each set's shares p and q are of its summed pixels.
    """
    p, q = (np.maximum(side.sum(0) / max(float(side.sum()), 1.0), _LEAST_SHARE) for side in (one, other))
    return float(((q - p) * np.log(q / p)).sum())


def _rule(
    name: str,
    sides: Sequence[NDArray[np.float64]],
    figure: Figure,
    shown: Callable[[NDArray[np.float64]], float] | None,
    threshold: float,
    options: WatchOptions,
) -> Rule | None:
    """None where a side has nothing to compare."""
    stable, canary = sides
    if not len(stable) or not len(canary):
        return None
    difference = figure(stable, canary)
    chance = 1.0
    if difference > threshold:
        together = np.concatenate([stable, canary])
        rng = np.random.default_rng(options.seed)
        as_large = 0
        for _ in range(options.permutations):
            dealt = together[rng.permutation(len(together))]
            as_large += figure(dealt[: len(stable)], dealt[len(stable) :]) >= difference
        chance = (as_large + 1) / (options.permutations + 1)
    return Rule(
        name,
        0.0 if shown is None else shown(stable),
        difference if shown is None else shown(canary),
        difference,
        threshold,
        chance,
        breached=chance <= options.chance,
    )


def _column(values: Iterable[float | None]) -> NDArray[np.float64]:
    """`(n, 1)` of those that are there."""
    return np.array([[value] for value in values if value is not None], np.float64)


def _mean(side: NDArray[np.float64]) -> float:
    return float(side.mean())


def _median(side: NDArray[np.float64]) -> float:
    return float(np.median(side))


def _mean_difference(stable: NDArray[np.float64], canary: NDArray[np.float64]) -> float:
    return _mean(canary) - _mean(stable)


def _mean_loss(stable: NDArray[np.float64], canary: NDArray[np.float64]) -> float:
    return _mean(stable) - _mean(canary)


def _median_ratio(stable: NDArray[np.float64], canary: NDArray[np.float64]) -> float:
    return _median(canary) / max(_median(stable), 1e-9)


def _class_pixels(stable: Sequence[MapObservation], canary: Sequence[MapObservation]) -> list[NDArray[np.float64]]:
    """`(maps, classes)` of the maps that were made, over the classes that either side has."""
    names = sorted({name for side in (stable, canary) for item in side for name in item.class_pixels})
    return [
        np.array(
            [[item.class_pixels.get(name, 0) for name in names] for item in side if item.class_pixels], np.float64
        ).reshape(-1, len(names))
        for side in (stable, canary)
    ]
