"""The status that a request fails with: gRPC's canonical code and TensorFlow Serving's message text."""

from enum import IntEnum

_LONGEST_MESSAGE = 1024


class Code(IntEnum):
    """The canonical codes; gRPC, TensorFlow and TensorFlow Serving share their numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class StatusError(Exception):
    """A request that fails; the services turn it into the answer's status.

    Args:
        code: The canonical code.
        message: The text that the stock server would send.
        quotes_request: Whether the text may hold values of the request: it goes to the caller, not into the log.
    """

    def __init__(self, code: Code, message: str, quotes_request: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.quotes_request = quotes_request

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid_argument(message: str, quotes_request: bool = False) -> StatusError:
    """INVALID_ARGUMENT with `message`."""
    return StatusError(Code.INVALID_ARGUMENT, message, quotes_request)


def not_found(message: str) -> StatusError:
    """NOT_FOUND with `message`."""
    return StatusError(Code.NOT_FOUND, message)


def failed_precondition(message: str) -> StatusError:
    """FAILED_PRECONDITION with `message`."""
    return StatusError(Code.FAILED_PRECONDITION, message)


def unavailable(message: str) -> StatusError:
    """UNAVAILABLE with `message`."""
    return StatusError(Code.UNAVAILABLE, message)


def wire_message(message: str) -> str:
    """The message as the stock server sends it: cut to 1024 characters."""
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "...TRUNCATED"
