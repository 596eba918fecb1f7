"""The decision: a table of measurements in, the setting to serve with out.

1. What can be chosen: settings measured in enough rounds, without a failed request, whose 95th percentile of latency is
   within the budget.
2. Batching is on only if a setting with it is faster than the fastest one without by more than the noise.
3. Among the settings on the chosen side that are within 5 % of the fastest, the one with the fewest patches under way:
   it answers soonest.

Rounds are compared in pairs, since the i-th rounds of all settings ran in the same minute: with `r` the ratios of the
pairs, the gain is `median(r) - 1` and the noise `2 * 1.4826 * MAD(r) / sqrt(n)`, about two standard errors, at least
5 % (and 15 % where there is one pair alone).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from components.errors import ServingError
from serving.tuning.measurement import Measurement

LEAST_NOISE = 0.05
_NOISE_OF_ONE_PAIR = 0.15
_ENOUGH_ROUNDS = 3
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Comparison:
    """One setting against another.

    Attributes:
        gain: How much faster, as a share; negative where it is slower.
        noise: How much of that may be chance.
    """

    gain: float
    noise: float

    @property
    def is_faster(self) -> bool:
        """Faster by more than the noise."""
        return self.gain > self.noise


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why.

    Attributes:
        chosen: The setting.
        reason: In words, with figures.
        against_off: The fastest batched setting against the fastest one without batching; None where one of the two
            sides has none within the budget.
    """

    chosen: Measurement
    reason: str
    against_off: Comparison | None


def compare(measurement: Measurement, other: Measurement) -> Comparison:
    """How much faster the first is than the second."""
    ratios = [a / b for a, b in zip(measurement.rounds, other.rounds, strict=False) if b > 0] or [1.0]
    middle = statistics.median(ratios)
    if len(ratios) == 1:
        return Comparison(middle - 1, _NOISE_OF_ONE_PAIR)
    deviation = statistics.median(abs(ratio - middle) for ratio in ratios)
    noise = 2 * _MAD_TO_SIGMA * deviation / math.sqrt(len(ratios))
    return Comparison(middle - 1, max(LEAST_NOISE, noise))


def choose(measurements: Sequence[Measurement], budget_ms: float) -> Choice:
    """The setting to serve with.

    Raises:
        ServingError: If no setting answers within the budget; it says how near the nearest came.
    """
    enough = min(_ENOUGH_ROUNDS, max((len(one.rounds) for one in measurements), default=0))
    sound = [one for one in measurements if one.rounds and len(one.rounds) >= enough and not one.failures]
    within = [one for one in sound if one.p95_ms <= budget_ms]
    if not within:
        raise ServingError(_too_slow(sound, budget_ms), "a setting whose 95th percentile is within the budget", _REMEDY)
    off = [one for one in within if not one.batching.enabled]
    on = [one for one in within if one.batching.enabled]
    best_off, best_on = _fastest(off), _fastest(on)
    if best_off is None or best_on is None:
        chosen = _soonest(within)
        side, other = ("off", "on") if best_on is None else ("on", "off")
        return Choice(chosen, f"batching {side}: no setting with batching {other} was within {budget_ms:g} ms", None)
    faster = [one for one in on if compare(one, best_off).is_faster]
    best_on = _fastest(faster) or best_on
    against_off = compare(best_on, best_off)
    chosen = _soonest(faster or off)
    figures = (
        f"the best batched setting ({best_on.server}; {_load(best_on)}) made {best_on.patches_per_second:.1f} patches "
        f"a second, the best without batching ({_load(best_off)}) {best_off.patches_per_second:.1f}: "
        f"{against_off.gain:+.0%}, and {against_off.noise:.0%} may be chance"
    )
    return Choice(chosen, f"batching {'on' if faster else 'off'}: {figures}", against_off)


_REMEDY = (
    "raise --latency-budget-ms, allow smaller loads (--concurrency 1 --patches 1), train a narrower network or smaller "
    "patches, or take a faster machine"
)


def _fastest(measurements: Sequence[Measurement]) -> Measurement | None:
    return max(measurements, key=lambda one: one.patches_per_second, default=None)


def _soonest(measurements: Sequence[Measurement]) -> Measurement:
    best = max(one.patches_per_second for one in measurements)
    near = [one for one in measurements if one.patches_per_second >= (1 - LEAST_NOISE) * best]
    return min(near, key=lambda one: (one.in_flight, one.p95_ms))


def _load(measurement: Measurement) -> str:
    return f"{measurement.concurrency} x {measurement.patches_per_request}"


def _too_slow(sound: Sequence[Measurement], budget_ms: float) -> str:
    nearest = min(sound, key=lambda one: one.p95_ms, default=None)
    if nearest is None:
        return "there is no measurement without failed requests"
    return (
        f"no setting answers 95 % of its requests within {budget_ms:g} ms; the soonest, {nearest.server} with "
        f"{_load(nearest)} patches, took {nearest.p95_ms:.0f} ms"
    )
