"""Asks a model server for the land cover of patches."""

import io
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, PositiveInt, ValidationError
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from components import contract as wire
from components.contract import ModelContract
from components.errors import ServingError
from components.options import Options
from serving.retry import RetryOptions, call_with_retries
from serving.transport import CallError, Transport

DEFAULT_MODEL_NAME = "eoseg"

_TENSOR_TYPES = {
    "uint8": types_pb2.DT_UINT8,
    "uint16": types_pb2.DT_UINT16,
    "int16": types_pb2.DT_INT16,
    "float32": types_pb2.DT_FLOAT,
}


class ClientOptions(Options):
    """How requests are sent."""

    concurrency: PositiveInt = 4
    """Requests at the same time."""
    patches_per_request: PositiveInt = 4
    """Patches in one request; at most the server's `max_batch_size`."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Deadline of one try of one request."""
    retry: RetryOptions = RetryOptions()


class SegmentationClient:
    """A client of one model on one server; thread-safe.

    All requests go to one version: the one asked for, or the newest at the first request. So a whole tile is predicted
    by one version even if another is promoted meanwhile.

    Use::

        with SegmentationClient("localhost:8500") as client:
            class_ids = client.predict_class_ids(patches)

    Args:
        address: `host:port`.
        model_name: As served.
        version: The version to ask; None takes the newest that is available.
        options: Concurrency, deadlines, retries.
        transport: In place of gRPC, for tests.
    """

    def __init__(
        self,
        address: str,
        model_name: str = DEFAULT_MODEL_NAME,
        version: int | None = None,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.address = address
        self.model_name = model_name
        self.options = options or ClientOptions()
        self._version = version
        self._version_is_fixed = version is not None
        self._transport = transport or Transport(address)
        self._contract: ModelContract | None = None
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="predict")

    @property
    def version(self) -> int:
        """The version that all requests go to.

        Raises:
            ServingError: If the server has none that is available.
        """
        with self._lock:
            if self._version is None:
                self._version = self._newest_version()
            return self._version

    def contract(self) -> ModelContract:
        """What the model wants and gives; asked once.

        Raises:
            ServingError: If the server does not answer, or the model is none of EOSeg's.
        """
        with self._lock:
            if self._contract is None:
                self._contract = self._ask_contract()
            return self._contract

    def repin(self) -> bool:
        """Takes the version that is now the newest, for instance because the old one was unloaded.

        Returns:
            False if the client was told which version to ask; then nothing changes.
        """
        with self._lock:
            if self._version_is_fixed:
                return False
            self._version = self._contract = None
            return True

    def wait_until_ready(self, timeout: float) -> int:
        """Waits until the model has a version that serves; returns the version.

        Raises:
            ServingError: If there is none after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.version
            except ServingError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

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
        self._check(patches)
        return self._pool.submit(self._predict, patches, wire.SCORES_BYTES)

    def close(self) -> None:
        """Ends the connection; requests not yet sent are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> "SegmentationClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _predict_all(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        self._check(patches)
        size = self.options.patches_per_request
        requests = [patches[start : start + size] for start in range(0, len(patches), size)]
        if not requests:
            contract = self.contract()
            shape = [0, contract.patch_size, contract.patch_size]
            return np.empty(shape + [len(contract.table)] * (output == wire.SCORES_BYTES), np.uint8)
        return np.concatenate(list(self._pool.map(lambda part: self._predict(part, output), requests)))

    def _predict(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        request = self._request(wire.SERVING_SIGNATURE)
        request.inputs[wire.IMAGE].CopyFrom(image_tensor(patches))
        request.output_filter.append(output)
        response = self._call(request)
        contract = self.contract()
        strings = response.outputs[output].string_val
        if len(strings) != len(patches):
            raise ServingError(
                f"the model server answered {len(strings)} patches for {len(patches)}",
                f"one string of '{output}' a patch",
                "the served model is none of EOSeg's: serve a version that `eoseg run` has pushed",
            )
        if output == wire.CLASS_IDS_BYTES:
            return np.stack([_png_pixels(string) for string in strings])
        return decode_scores(strings, contract)

    def _check(self, patches: NDArray[Any]) -> None:
        contract = self.contract()
        wanted = (contract.patch_size, contract.patch_size, len(contract.bands))
        if patches.ndim != 4 or patches.shape[1:] != wanted or patches.dtype != contract.dtype:
            raise ServingError(
                f"patches have shape {patches.shape} and dtype {patches.dtype}",
                f"shape (n, {', '.join(map(str, wanted))}) and dtype {contract.dtype}, as model '{self.model_name}' "
                "wants them",
                "cut and convert the patches as the model's contract says",
            )

    def _request(self, signature: str) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model_name
        request.model_spec.version.value = self.version
        request.model_spec.signature_name = signature
        return request

    def _call(self, request: Any) -> Any:
        timeout = self.options.timeout_seconds
        return call_with_retries(lambda: self._transport.predict(request, timeout), self.options.retry)

    def _newest_version(self) -> int:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        timeout = self.options.timeout_seconds
        status = call_with_retries(lambda: self._transport.model_status(request, timeout), self.options.retry)
        available = [
            entry.version
            for entry in status.model_version_status
            if entry.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
        ]
        if not available:
            raise ServingError(
                f"the model server at {self.address} has no version of '{self.model_name}' that is available",
                "at least one",
                "look at the server's log for why its versions failed",
            )
        return int(max(available))

    def _ask_contract(self) -> ModelContract:
        request = self._request(wire.DESCRIBE_SIGNATURE)
        query = request.inputs[wire.QUERY]
        query.dtype = types_pb2.DT_STRING
        query.tensor_shape.dim.add().size = 1
        query.string_val.append(b"contract")
        remedy = "serve a version that `eoseg run` has pushed, or correct --model-name"
        try:
            text = self._call(request).outputs[wire.CONTRACT].string_val[0]
            return ModelContract.model_validate_json(text)
        except CallError as error:
            if error.code not in ("FAILED_PRECONDITION", "INVALID_ARGUMENT"):
                raise
            raise ServingError(
                f"model '{self.model_name}' at {self.address} does not describe itself: {error.problem}",
                f"EOSeg's signature '{wire.DESCRIBE_SIGNATURE}'",
                remedy,
            ) from error
        except (IndexError, ValidationError) as error:
            raise ServingError(
                f"model '{self.model_name}' at {self.address} describes itself in a way that cannot be read: {error}",
                "a contract as this EOSeg writes it",
                remedy,
            ) from error


def image_tensor(patches: NDArray[Any]) -> Any:
    """A TensorProto of patches `(n, height, width, bands)`, as raw bytes: value by value takes 100 times as long."""
    proto = tensor_pb2.TensorProto(dtype=_TENSOR_TYPES[patches.dtype.name])
    for size in patches.shape:
        proto.tensor_shape.dim.add().size = size
    proto.tensor_content = patches.tobytes()
    return proto


def decode_scores(strings: Sequence[bytes], contract: ModelContract) -> NDArray[np.uint8]:
    """Scores `(n, patch_size, patch_size, K)` uint8 of the byte strings that the model sends.

    Raises:
        ServingError: If a string has another length.
    """
    shape = (contract.patch_size, contract.patch_size, len(contract.table))
    if any(len(string) != np.prod(shape) for string in strings):
        raise ServingError(
            f"the model server answered scores of {len(strings[0])} bytes a patch",
            f"{np.prod(shape)} bytes, for {shape}",
            "the model contradicts its own contract: export it again",
        )
    return np.frombuffer(b"".join(strings), np.uint8).reshape(len(strings), *shape)


def _png_pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image, np.uint8)
