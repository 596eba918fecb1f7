"""Waiting for a server that starts: when to look again, and when to give up."""

import time
from collections.abc import Callable

from components.errors import ServingError
from serving.call_error import CallError

_LONGEST_LOOK_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_HOPELESS = ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "FAILED_PRECONDITION")


class ReadinessWait:
    """How long to wait between two looks at a server.

    Args:
        address: For error messages.
        timeout: Seconds until it is given up.
        clock: Seconds.
    """

    def __init__(self, address: str, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._timeout = timeout
        self._clock = clock
        self._began = clock()
        self._pause = _FIRST_PAUSE_SECONDS
        self._reason: ServingError | None = None

    def look_seconds(self) -> float:
        """The deadline of one look."""
        return max(0.01, min(self._left(), _LONGEST_LOOK_SECONDS))

    def pause_after(self, error: ServingError) -> float:
        """Seconds until the next look.

        Raises:
            ServingError: If there is no time left, or waiting does not help.
        """
        if isinstance(error, CallError) and (
            error.code in _HOPELESS or (error.code in ("UNAVAILABLE", "CANCELLED") and not error.is_temporary)
        ):
            raise error
        # The last look may have had no time left to be answered; what was said before it is the reason.
        if self._reason is None or not isinstance(error, CallError) or error.code != "DEADLINE_EXCEEDED":
            self._reason = error
        left = self._left()
        if left <= 0:
            raise ServingError(
                f"the model server at {self._address} is not ready after {self._timeout:g} s: {self._reason.problem}",
                self._reason.expected,
                self._reason.remedy,
            ) from error
        pause = min(left, self._pause)
        self._pause = min(_LONGEST_PAUSE_SECONDS, 1.5 * self._pause)
        return pause

    def _left(self) -> float:
        return self._timeout - (self._clock() - self._began)


def unhealthy(address: str) -> ServingError:
    """A server that says of itself that it does not serve."""
    return ServingError(
        f"the model server at {address} says that it does not serve",
        "health status SERVING",
        "look at the server's log",
    )
