"""When a call is tried again: while the server is away or full, after jittered pauses that double, within a budget.

Only calls that change nothing on the server may be retried; predictions and questions are such. Decisions alone: the
waiting is done by `serving/guarded_calls.py`, blocking and in asyncio.
"""

import random
import time
from collections.abc import Callable

from pydantic import Field, PositiveInt

from components.options import Options
from serving.call_error import CallError
from serving.circuit_breaker import CircuitBreaker, Pass


class RetryOptions(Options):
    """How often, after what pauses, and for how long."""

    attempts: PositiveInt | None = None
    """Tries of one request; None is as many as the budget allows, 1 fails at once."""
    first_pause_seconds: float = Field(default=0.05, gt=0)
    longest_pause_seconds: float = Field(default=5.0, gt=0)
    budget_seconds: float = Field(default=300.0, ge=0)
    """No try begins later than this after the first one: longer than a server takes to restart and load its model."""
    first_contact_seconds: float = Field(default=10.0, ge=0)
    """The budget until the server has answered for the first time: a wrong address is told early. To wait for a server
    that starts, there is `wait_until_ready`."""
    after_deadline: bool = False
    """Also tries again what was not answered in time: helps with one stuck server of many, and doubles the load of one
    that is merely slow."""

    def longest_pause(self, attempt: int) -> float:
        """Seconds after the `attempt`-th try (1 is the first) at most: `first * 2 ** (attempt - 1)`, capped."""
        return min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(attempt - 1, 60))


class CircuitOpenError(CallError):
    """A call that was not sent because the server did not answer the ones before."""


class CallPolicy:
    """What all calls of one client share: the circuit, and whether the server has ever answered.

    Args:
        address: For error messages.
        retry: When a call is tried again.
        circuit: None never stops asking.
        timeout_seconds: Deadline of one try.
        total_seconds: Deadline of one call with all its tries and pauses, from its first turn on; None is none.
        clock: Seconds.
        uniform: Draws the pauses.
    """

    def __init__(
        self,
        address: str,
        retry: RetryOptions,
        circuit: CircuitBreaker | None,
        timeout_seconds: float,
        total_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.address = address
        self.retry = retry
        self.circuit = circuit
        self.timeout_seconds = timeout_seconds
        self.total_seconds = total_seconds
        self.clock = clock
        self.uniform = uniform
        self.has_answered = False

    def tries(self) -> "Tries":
        """The tries of one call."""
        return Tries(self)


class Tries:
    """One call from its first try to its last.

    Use, with `send` and `sleep` as the caller has them:

        while True:
            pause = tries.pause_before()
            if not pause:
                try:
                    answer = send(tries.timeout())
                except CallError as error:
                    pause = tries.failed(error)
                else:
                    tries.succeeded()
                    return answer
            sleep(pause)
    """

    def __init__(self, policy: CallPolicy) -> None:
        self._policy = policy
        self._began: float | None = None
        self._failures = 0
        self._pass: Pass | None = None

    def pause_before(self) -> float:
        """Seconds to wait before asking again whether to try; 0 is: try now.

        An open circuit makes a call wait, not fail, while its budget lasts, and at the budget's end it is tried
        all the same: the circuit never costs a call that retries alone would have saved.

        Raises:
            CircuitOpenError: If the circuit is open and the call may not wait.
        """
        policy = self._policy
        if self._began is None:
            self._began = policy.clock()
        if policy.circuit is None:
            return 0.0
        may_wait = policy.retry.attempts != 1 and self._budget() > 0
        left = self._left()
        self._pass = policy.circuit.enter(force=may_wait and left <= 0)
        if self._pass is not None:
            return 0.0
        wait = max(0.01, policy.circuit.wait_seconds())
        if not may_wait:
            raise CircuitOpenError(
                f"the model server at {policy.address} is not asked for the next {wait:.1f} s: the calls before failed "
                f"({policy.circuit.last_failure})",
                "a model server that answers",
                f"try again in {wait:.1f} s, or let calls wait: retry.attempts other than 1, retry.budget_seconds",
                "UNAVAILABLE",
            )
        # Those who wait for the same moment spread over a tenth of it.
        return min(left, wait * policy.uniform(1.0, 1.1))

    def timeout(self) -> float:
        """The deadline of the try that begins now, in seconds."""
        policy = self._policy
        if policy.total_seconds is None:
            return policy.timeout_seconds
        return max(0.001, min(policy.timeout_seconds, policy.total_seconds - self._elapsed()))

    def succeeded(self) -> None:
        """The try was answered."""
        self._policy.has_answered = True
        if self._policy.circuit is not None and self._pass is not None:
            self._policy.circuit.succeeded(self._pass)
        self._pass = None

    def failed(self, error: CallError) -> float:
        """Seconds to wait before the next try.

        Raises:
            CallError: `error`, if the call shall not be tried again.
        """
        policy, retry = self._policy, self._policy.retry
        self._failures += 1
        self._tell_circuit(error)
        again = error.is_temporary or (retry.after_deadline and error.code == "DEADLINE_EXCEEDED")
        if not again or (retry.attempts is not None and self._failures >= retry.attempts):
            raise error
        left = self._left()
        if left <= 0:
            raise error
        longest = retry.longest_pause(self._failures)
        return min(left, policy.uniform(longest / 2, longest))

    def abandon(self) -> None:
        """Ends a try of which nothing is known; without effect after `succeeded` and `failed`."""
        if self._policy.circuit is not None and self._pass is not None:
            self._policy.circuit.abandoned(self._pass)
        self._pass = None

    def _tell_circuit(self, error: CallError) -> None:
        circuit, ticket = self._policy.circuit, self._pass
        if error.code == "CANCELLED":
            return self.abandon()
        if not error.is_silence:
            self._policy.has_answered = True
        if circuit is not None and ticket is not None:
            if error.is_silence:
                circuit.failed(ticket, error.problem)
            else:
                circuit.succeeded(ticket)
        self._pass = None

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._policy.clock() - self._began

    def _budget(self) -> float:
        retry, total = self._policy.retry, self._policy.total_seconds
        budget = retry.budget_seconds
        if not self._policy.has_answered:
            budget = min(budget, retry.first_contact_seconds)
        return budget if total is None else min(budget, total)

    def _left(self) -> float:
        return self._budget() - self._elapsed()
