"""How many requests at the same time: more while latency holds, fewer when the server refuses.

Growth and latency as in Netflix' concurrency-limits (`Gradient2Limit`; the allowance sqrt(limit) is `GradientLimit`'s):

    gradient = clamp(tolerance * long_term_latency / latency, 1/2, 1)
    limit   <- (1 - smoothing) * limit + smoothing * (limit * gradient + sqrt(limit))

Refusals multiply the limit by `back_off`, at most once a round trip, as TCP does with losses (Chiu and Jain 1989,
"Analysis of the Increase and Decrease Algorithms for Congestion Avoidance"; Netflix' `AIMDLimit`): requests of one
round are refused together, and say together no more than one of them does.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pydantic import Field, PositiveInt

from components.options import Options


class LimitOptions(Options):
    """How the number of requests in flight adapts, below the client's `concurrency`."""

    adaptive: bool = True
    """False keeps to `concurrency` always."""
    initial: PositiveInt = 4
    tolerance: float = Field(default=2.0, ge=1)
    """How many times the usual latency is still none too slow. Batching servers answer in steps, so well above 1."""
    smoothing: float = Field(default=0.2, gt=0, le=1)
    back_off: float = Field(default=0.7, gt=0, lt=1)
    """What a refusal multiplies the limit by."""
    memory: PositiveInt = 100
    """Answers that the usual latency is averaged over, the weights falling exponentially."""


class Outcome(Enum):
    """What a request says about the server's load."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """UNAVAILABLE, RESOURCE_EXHAUSTED, or no answer in time."""
    UNKNOWN = "unknown"
    """Nothing: not sent, cancelled, or refused for what it asks."""


@dataclass
class Ticket:
    """The right to one request."""

    number: int
    started: float
    in_flight: int
    """Requests in flight, this one among them, when it started."""
    outcome: Outcome = Outcome.UNKNOWN


class AdaptiveLimit:
    """Counts requests in flight and adapts how many there may be; no I/O, not thread-safe.

    Args:
        largest: The limit is never above it, nor below 1.
        options: How it adapts.
        clock: Seconds.

    Attributes:
        in_flight: Requests now in flight.
    """

    def __init__(self, largest: int, options: LimitOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._largest = largest
        self._options = options
        self._clock = clock
        self._estimate = float(min(largest, options.initial) if options.adaptive else largest)
        self._usual_latency: float | None = None
        self._started = 0
        self._newest_before_back_off = 0
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many requests there may be at the same time; 1 to `largest`."""
        return int(self._estimate)

    def try_start(self) -> Ticket | None:
        """The right to one more request, to be given back to `finish`; None if there is no room."""
        if self.in_flight >= self.limit:
            return None
        self._started += 1
        self.in_flight += 1
        return Ticket(self._started, self._clock(), self.in_flight)

    def finish(self, ticket: Ticket) -> None:
        """Ends a request; its `outcome` adapts the limit."""
        self.in_flight -= 1
        if not self._options.adaptive:
            return
        if ticket.outcome is Outcome.REFUSED:
            self._refused(ticket)
        elif ticket.outcome is Outcome.ANSWERED:
            self._answered(ticket, self._clock() - ticket.started)

    def _refused(self, ticket: Ticket) -> None:
        if ticket.number <= self._newest_before_back_off:  # sent before the limit last shrank: says nothing new
            return
        self._newest_before_back_off = self._started
        self._set(self._estimate * self._options.back_off)

    def _answered(self, ticket: Ticket, latency: float) -> None:
        latency = max(latency, 1e-9)
        if self._usual_latency is None:
            self._usual_latency = latency
        self._usual_latency += (latency - self._usual_latency) / self._options.memory
        if self._usual_latency > 2 * latency:  # the load went: do not wait for the average to forget it
            self._usual_latency *= 0.95
        if ticket.in_flight < self._estimate / 2:  # the caller sends so few that nothing was tried
            return
        gradient = min(1.0, max(0.5, self._options.tolerance * self._usual_latency / latency))
        wanted = self._estimate * gradient + math.sqrt(self._estimate)
        self._set(self._estimate + self._options.smoothing * (wanted - self._estimate))

    def _set(self, estimate: float) -> None:
        self._estimate = min(float(self._largest), max(1.0, estimate))
