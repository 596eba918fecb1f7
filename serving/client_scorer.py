"""The model server's client as the scorer of a tile's patches."""

from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client import SegmentationClient

_AHEAD = 2
"""Requests that wait, for each one that the client has in flight: the server is never idle, memory is bounded."""


class ClientScorer:
    """A `components.mapping.score_rows.Scorer` that asks a model server."""

    def __init__(self, client: SegmentationClient) -> None:
        self._client = client

    @property
    def patches_per_request(self) -> int:
        """As the client's options say."""
        return self._client.options.patches_per_request

    @property
    def most_waiting(self) -> int:
        """A few more than are in flight at the same time."""
        return _AHEAD * self._client.options.concurrency

    def submit(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """See `SegmentationClient.submit_scores`."""
        return self._client.submit_scores(patches)
