"""A version in memory: its session, with or without batching, warmed up."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from serving.embedded.batching_session import BatchingSession, Session
from serving.embedded.saved_model import SavedModelSession
from serving.embedded.status import unavailable


class LoadedVersion:
    """What answers requests for one version of one model.

    Args:
        name: The model's name.
        version: Its number.
        saved_model: The loaded model.
        batching: The batching session around it, or None.

    Attributes:
        signatures: The model's signatures.
    """

    def __init__(
        self, name: str, version: int, saved_model: SavedModelSession, batching: BatchingSession | None
    ) -> None:
        self.name = name
        self.version = version
        self.signatures: Mapping[str, Any] = saved_model.signatures
        self._saved_model = saved_model
        self._batching = batching
        self._specs = _input_specs(self.signatures)
        self._users = 0
        self._closing = False
        self._idle = threading.Condition()

    def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str], timeout: float | None = None
    ) -> list[NDArray[Any]]:
        """Runs the graph, through batches where they are on and the tensors fit the signature.

        Tensors that do not fit run alone: they get the kernel's own error, and no other request fails with them.
        """
        session: Session = self._saved_model
        if self._batching is not None and all(self._fits(name, value) for name, value in feeds.items()):
            session = self._batching
        return session.run(feeds, fetches, timeout)

    def acquire(self) -> None:
        """Keeps the version loaded until `release`.

        Raises:
            StatusError: UNAVAILABLE if it is closed: only a server that stops closes what can still be found.
        """
        with self._idle:
            if self._closing:
                raise unavailable("the server is shutting down")
            self._users += 1

    def release(self) -> None:
        """Ends what `acquire` began."""
        with self._idle:
            self._users -= 1
            if not self._users:
                self._idle.notify_all()

    def close(self, timeout: float | None = None) -> None:
        """Waits for the requests that run, then frees the session.

        Args:
            timeout: Seconds after which what still runs is cancelled; None waits as long as it takes.
        """
        with self._idle:
            self._closing = True
            self._idle.wait_for(lambda: not self._users, timeout)
        if self._batching is not None:
            self._batching.close()
        self._saved_model.close()

    def _fits(self, tensor_name: str, value: NDArray[Any]) -> bool:
        spec = self._specs.get(tensor_name)
        if spec is None:
            return True
        dtype, shape = spec
        if value.dtype != dtype or value.size == 0:  # no rows: nothing to pad a batch with
            return False
        if shape is None or value.ndim == 0:  # a scalar gets the batching session's error text
            return True
        return len(shape) == value.ndim and all(
            wanted in (-1, size) for wanted, size in zip(shape[1:], value.shape[1:], strict=True)
        )


def _input_specs(signatures: Mapping[str, Any]) -> dict[str, tuple[Any, list[int] | None]]:
    """Tensor name -> NumPy dtype and shape (None = unknown rank, -1 = any size) of all signatures' inputs."""
    specs = {}
    for signature in signatures.values():
        for info in signature.inputs.values():
            shape = None if info.tensor_shape.unknown_rank else [dim.size for dim in info.tensor_shape.dim]
            if info.dtype:
                specs[info.name] = (np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype), shape)
    return specs
