"""The client's connection, with a note of every try."""

import time
from collections import Counter
from typing import Any

from serving.transport import CallError, Transport


class WatchedTransport(Transport):
    """Counts what was refused, and remembers which version gave the last answer; for one thread.

    Attributes:
        refusals: gRPC code -> tries that ended with it.
        answered_by: The version that the last answer names.
        answered_ms: How long each answered try took.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.refusals: Counter[str] = Counter()
        self.answered_by = 0
        self.answered_ms: list[float] = []

    def predict(self, request: Any, timeout: float) -> Any:
        """As `Transport.predict`."""
        began = time.monotonic()
        try:
            response = super().predict(request, timeout)
        except CallError as error:
            self.refusals[error.code] += 1
            raise
        self.answered_ms.append((time.monotonic() - began) * 1e3)
        self.answered_by = int(response.model_spec.version.value)
        return response
