"""Stops asking a server that is away, and looks with one request at a time whether it is back.

After Nygard, "Release It!" (2007), with resilience4j's count-based window. Closed: all requests go. Open: none go until
a pause has passed that doubles each time. Half open: one request goes; its answer closes the circuit, its failure
opens it again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, PositiveInt

from components.options import Options

State = Literal["closed", "open", "half-open"]


class CircuitOptions(Options):
    """When to stop asking, and for how long."""

    failures_in_a_row: PositiveInt = 5
    """That many open the circuit."""
    failure_share: float = Field(default=0.5, gt=0, le=1)
    """So does this share of the last `window` requests."""
    window: PositiveInt = 20
    first_pause_seconds: float = Field(default=0.25, gt=0)
    longest_pause_seconds: float = Field(default=5.0, gt=0)


@dataclass(frozen=True)
class Pass:
    """The right to send one request."""

    era: int
    is_probe: bool = False


class CircuitBreaker:
    """Decides whether a request may go; no I/O, thread-safe.

    Args:
        options: When to stop asking, and for how long.
        clock: Seconds.
        uniform: Draws the pause between half and all of its length, so that clients do not come back together.

    Attributes:
        last_failure: What the last failed request said.
    """

    def __init__(
        self,
        options: CircuitOptions,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._options = options
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._era = 0  # counts the changes of state: what was sent before the last one says nothing now
        self._in_a_row = 0
        self._results: deque[bool] = deque(maxlen=options.window)
        self._openings = 0
        self._asks_again_at = 0.0
        self._probe_is_out = False
        self.last_failure = ""

    @property
    def state(self) -> State:
        """`closed`, `open` or `half-open`; an open circuit whose pause is over is open until someone enters."""
        with self._lock:
            return self._state

    def enter(self, force: bool = False) -> Pass | None:
        """The right to send one request, to be given back to one of the methods below; None if it must wait.

        Args:
            force: Go, whatever the state: for a request that cannot wait any longer.
        """
        with self._lock:
            if self._state == "open" and self._clock() >= self._asks_again_at:
                self._change("half-open")
            if self._state == "closed":
                return Pass(self._era)
            if self._state == "half-open" and not self._probe_is_out:
                self._probe_is_out = True
                return Pass(self._era, is_probe=True)
            return Pass(self._era) if force else None

    def wait_seconds(self) -> float:
        """How long until it is worth while to `enter` again; 0 is now."""
        with self._lock:
            if self._state == "open":
                return max(0.0, self._asks_again_at - self._clock())
            if self._state == "half-open" and self._probe_is_out:
                return self._options.first_pause_seconds
            return 0.0

    def succeeded(self, ticket: Pass) -> None:
        """The server answered, be it with a refusal of what was asked."""
        with self._lock:
            if ticket.era != self._era:
                return
            if self._state != "closed":
                self._change("closed")
                self._openings = 0
            self._in_a_row = 0
            self._results.append(True)

    def failed(self, ticket: Pass, reason: str) -> None:
        """The server did not answer."""
        with self._lock:
            self.last_failure = reason
            if ticket.era != self._era:
                return
            if self._state == "half-open":
                if ticket.is_probe:
                    self._open()
            elif self._state == "closed":
                self._in_a_row += 1
                self._results.append(False)
                failures = self._results.count(False)
                is_full = len(self._results) == self._options.window
                if self._in_a_row >= self._options.failures_in_a_row or (
                    is_full and failures >= self._options.failure_share * self._options.window
                ):
                    self._open()

    def abandoned(self, ticket: Pass) -> None:
        """The request ended without saying anything about the server, for instance cancelled."""
        with self._lock:
            if ticket.is_probe and ticket.era == self._era:
                self._probe_is_out = False

    def _open(self) -> None:
        self._openings += 1
        longest = min(
            self._options.longest_pause_seconds,
            self._options.first_pause_seconds * 2.0 ** min(self._openings - 1, 60),
        )
        self._asks_again_at = self._clock() + self._uniform(longest / 2, longest)
        self._change("open")

    def _change(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._probe_is_out = False
        self._in_a_row = 0
        self._results.clear()
