"""The one line that a failed request leaves in the log."""

import json
import logging
import re
import traceback

from serving.embedded.status import Code, StatusError, wire_message

_log = logging.getLogger("serving.embedded.failures")
_LONGEST_NAME = 200

# A kernel's text may quote the values it was given. These parts of it cannot: dtypes, and the node's name in the graph.
_WRONG_DTYPE = re.compile(r"Expects arg\[\d+\] to be \w+ but \w+ is provided")
_NODE = re.compile(r"\{\{node ([\w./-]+)\}\}\]\]\s*$")


def log_failure(method: str, model: str, failure: StatusError, seconds: float) -> None:
    """Writes what was asked of which model and how it failed, as one line of JSON; never the payload.

    Args:
        method: The RPC, or HTTP method and path.
        model: As the request names it.
        failure: The status that the caller gets.
        seconds: From arrival to failure.
    """
    line = {
        "event": "request_failed",
        "method": method[:_LONGEST_NAME],
        "model": model[:_LONGEST_NAME],
        "code": failure.code.name,
        "message": _loggable(failure),
        "milliseconds": round(seconds * 1000, 1),
    }
    _log.warning("%s", json.dumps(line))


def unexpected_failure(method: str, error: Exception) -> StatusError:
    """The status of a request that an unforeseen exception ended; logs where it came from, without its text."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s in %s:\n%s", type(error).__name__, method[:_LONGEST_NAME], frames)
    return StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}", quotes_request=True)


def _loggable(failure: StatusError) -> str:
    if not failure.quotes_request:
        return wire_message(failure.message)
    if dtypes := _WRONG_DTYPE.match(failure.message):
        return dtypes.group()
    node = _NODE.search(failure.message)
    return "withheld, it may quote the request" + (f"; node {node.group(1)}" if node else "")
