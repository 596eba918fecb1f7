"""Asks a model server for the land cover of patches."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import contract as wire
from components.contract import ModelContract
from components.errors import ServingError
from serving.adaptive_limit import AdaptiveLimit
from serving.call_error import CallError
from serving.client_options import DEFAULT_MODEL_NAME, ClientOptions
from serving.conversation import Conversation, join, split, write_image
from serving.guarded_calls import BlockingCalls, policy_of
from serving.readiness import ReadinessWait, unhealthy
from serving.transport import Transport

__all__ = ["DEFAULT_MODEL_NAME", "ClientOptions", "SegmentationClient", "image_tensor"]


class SegmentationClient:
    """A client of one model on one server; thread-safe.

    All requests go to one version: the one asked for, or the newest at the first request, or the one that has the
    label then. So a whole tile is predicted by one version even if another is promoted meanwhile.

    Use::

        with SegmentationClient("localhost:8500") as client:
            class_ids = client.predict_class_ids(patches)

    Args:
        address: `host:port`, or `unix:/path`.
        model_name: As served.
        version: The version to ask; None takes the newest that is available.
        options: Concurrency, deadlines, retries, the connection.
        transport: In place of gRPC, for tests.
        label: In place of a version: the one that has this label at the first request.

    Raises:
        ConfigError, MissingFileError: On options that contradict each other, and certificates that cannot be used.
    """

    def __init__(
        self,
        address: str,
        model_name: str = DEFAULT_MODEL_NAME,
        version: int | None = None,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
        label: str | None = None,
    ) -> None:
        self.address = address
        self.model_name = model_name
        self.options = options or ClientOptions()
        self._conversation = Conversation(address, model_name, version, label)
        self._transport = transport or Transport(address, self.options.channel)
        self._limit = AdaptiveLimit(self.options.concurrency, self.options.limit)
        self._calls = BlockingCalls(policy_of(address, self.options), self._limit)
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="predict")

    @property
    def version(self) -> int:
        """The version that all requests go to.

        Raises:
            ServingError: If the server has none that is available.
        """
        with self._lock:
            if self._conversation.version is None:
                if self._conversation.label is not None:
                    self._describe(self._guarded)
                else:
                    self._conversation.version = self._available_version(self._guarded)
            return int(self._conversation.version or 0)

    def contract(self) -> ModelContract:
        """What the model wants and gives; asked once.

        Raises:
            ServingError: If the server does not answer, or the model is none of EOSeg's.
        """
        with self._lock:
            if self._conversation.contract is None:
                _ = self.version  # a label's version comes with the contract
            return self._conversation.contract or self._describe(self._guarded)

    def repin(self) -> bool:
        """Takes the version that is now the newest or the label's, for instance because the old one was unloaded.

        Returns:
            False if the client was told which version to ask; then nothing changes.
        """
        with self._lock:
            return self._conversation.repin()

    def wait_until_ready(self, timeout: float) -> int:
        """Waits until the server is healthy, if it says anything of that, and the version serves; gives the version.

        Raises:
            ServingError: If it does not after `timeout` seconds, or never will.
        """
        wait = ReadinessWait(self.address, timeout)

        def look(call: Callable[[Any, float], Any], request: Any) -> Any:
            return call(request, wait.look_seconds())

        while True:
            try:
                if not self._transport.is_healthy(wait.look_seconds()):
                    raise unhealthy(self.address)
                with self._lock:
                    if self._conversation.label is not None and self._conversation.version is None:
                        self._describe(look)
                    else:
                        self._conversation.version = self._available_version(look)
                    return int(self._conversation.version or 0)
            except ServingError as error:
                time.sleep(wait.pause_after(error))

    def predict_class_ids(self, patches: NDArray[Any]) -> NDArray[np.uint8]:
        """The class of every pixel.

        Args:
            patches: `(n, patch_size, patch_size, bands)` in the contract's dtype, the sensor's own numbers.

        Returns:
            `(n, patch_size, patch_size)` uint8, 0 to K - 1.

        Raises:
            ServingError: If the patches do not fit the contract, or the server does not answer.
        """
        return self._predict_all(patches, wire.CLASS_IDS_BYTES)

    def predict_scores(self, patches: NDArray[Any]) -> NDArray[np.uint8]:
        """The scores of every pixel: `(n, patch_size, patch_size, K)` uint8, the soft-max probability times 255.

        Args:
            patches: As for `predict_class_ids`.

        Raises:
            ServingError: As `predict_class_ids`.
        """
        return self._predict_all(patches, wire.SCORES_BYTES)

    def submit_scores(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        """Sends one request in the background; the future gives what `predict_scores` returns."""
        self._conversation.check(patches, self.contract())
        return self._pool.submit(self._predict, patches, wire.SCORES_BYTES)

    def close(self) -> None:
        """Ends the connection: requests not yet sent are dropped, those that wait or run end with an error."""
        self._calls.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
        self._pool.shutdown(wait=True)

    def __enter__(self) -> "SegmentationClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _predict_all(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        contract = self.contract()
        self._conversation.check(patches, contract)
        parts = self._pool.map(
            lambda part: self._predict(part, output), split(patches, self.options.patches_per_request)
        )
        return join(list(parts), output, contract)

    def _predict(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        with self._lock:  # of one version, whatever another thread repins
            contract, version = self.contract(), self.version
        request = self._conversation.predict_request(patches, output, version)
        response = self._guarded(self._transport.predict, request)
        return self._conversation.read_prediction(response, output, len(patches), contract)

    def _guarded(self, call: Callable[[Any, float], Any], request: Any) -> Any:
        return self._calls.call(lambda timeout: call(request, timeout))

    def _available_version(self, send: Callable[[Callable[[Any, float], Any], Any], Any]) -> int:
        status = send(self._transport.model_status, self._conversation.status_request())
        return self._conversation.newest_version(status)

    def _describe(self, send: Callable[[Callable[[Any, float], Any], Any], Any]) -> ModelContract:
        try:
            response = send(self._transport.predict, self._conversation.describe_request())
        except CallError as error:
            raise self._conversation.explain(error) from error.__cause__
        return self._conversation.read_description(response)


def image_tensor(patches: NDArray[Any]) -> Any:
    """A TensorProto of `tensorflow`'s own class, for requests made by hand; imports TensorFlow.

    Args:
        patches: `(n, height, width, bands)`.
    """
    from tensorflow.core.framework import tensor_pb2

    tensor = tensor_pb2.TensorProto()
    write_image(tensor, patches)
    return tensor
