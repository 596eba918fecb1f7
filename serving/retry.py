"""Tries a call again while the server is away or full, after a jittered pause that doubles."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import Field, PositiveInt

from components.options import Options
from serving.transport import CallError

Answer = TypeVar("Answer")


class RetryOptions(Options):
    """How often, and after what pauses. Only calls that change nothing on the server may be retried; predictions are
    such.
    """

    attempts: PositiveInt = 8
    first_pause_seconds: float = Field(default=0.05, gt=0)
    longest_pause_seconds: float = Field(default=5.0, gt=0)

    def longest_pause(self, attempt: int) -> float:
        """Seconds after the `attempt`-th try (1 is the first) at most: `first * 2 ** (attempt - 1)`, capped."""
        return min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(attempt - 1, 60))


def call_with_retries(
    call: Callable[[], Answer],
    options: RetryOptions,
    sleep: Callable[[float], object] = time.sleep,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Answer:
    """What `call` returns, tried again on temporary failures.

    The pause is drawn between half and all of `options.longest_pause`, so that clients that were refused together do
    not come back together.

    Raises:
        CallError: The last failure.
    """
    attempt = 1
    while True:
        try:
            return call()
        except CallError as error:
            if attempt >= options.attempts or not error.is_temporary:
                raise
            longest = options.longest_pause(attempt)
            sleep(uniform(longest / 2, longest))
            attempt += 1
