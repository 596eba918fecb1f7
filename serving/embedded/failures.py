"""The one line that a failed request leaves in the log."""

import json
import logging

from serving.embedded.status import StatusError, wire_message

_log = logging.getLogger("serving.embedded.failures")


def log_failure(method: str, model: str, failure: StatusError, seconds: float) -> None:
    """Writes what was asked of which model and how it failed, as JSON; never the payload.

    Args:
        method: The RPC, or HTTP method and path.
        model: As the request names it.
        failure: The status that the caller gets.
        seconds: From arrival to failure.
    """
    line = {
        "event": "request_failed",
        "method": method,
        "model": model,
        "code": failure.code.name,
        "message": wire_message(failure.message),
        "milliseconds": round(seconds * 1000, 1),
    }
    _log.warning("%s", json.dumps(line))
