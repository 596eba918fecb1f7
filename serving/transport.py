"""The one seam to gRPC on the client's side: calls go out, foreign errors come back as EOSeg's own."""

from types import TracebackType
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from components.errors import ServingError

_UNLIMITED = 2**31 - 1  # gRPC's own limit is 4 MiB, which 22 float32 patches of 128 x 128 x 3 exceed

_REMEDIES = {
    "UNAVAILABLE": (
        "a model server that answers there",
        "start one with `eoseg serve`, or correct the address; while a server restarts, try again in a moment",
    ),
    "NOT_FOUND": (
        "a model and a version that the server has",
        "correct --model-name or --version; GetModelStatus lists what is there",
    ),
    "DEADLINE_EXCEEDED": (
        "an answer in time",
        "give it more time, send fewer patches a request, or lower the concurrency",
    ),
    "RESOURCE_EXHAUSTED": ("a server with room for the request", "lower the concurrency, or raise the server's limits"),
    "FAILED_PRECONDITION": (
        "a model with EOSeg's signatures",
        "serve a version that `eoseg run` has pushed, or correct --model-name",
    ),
    "INVALID_ARGUMENT": (
        "a request that fits the model's signature",
        "the served model has probably another contract than the client expects: ask it again",
    ),
}


class CallError(ServingError):
    """A call that the server refused or did not answer.

    Attributes:
        code: The name of gRPC's status code, for instance `UNAVAILABLE`.
    """

    def __init__(self, problem: str, expected: str = "", remedy: str = "", code: str = "UNKNOWN") -> None:
        super().__init__(problem, expected, remedy)
        self.code = code
        self.args = (problem, expected, remedy, code)  # survives pickling

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later: the server is away, or full."""
        full = self.code == "RESOURCE_EXHAUSTED" and "larger than max" not in self.problem
        return self.code == "UNAVAILABLE" or full


class Transport:
    """Calls to one model server; thread-safe.

    Args:
        address: `host:port`, or `unix:/path`.
        channel_options: Further gRPC channel arguments.
        credentials: `grpc.ssl_channel_credentials(...)` for a server with TLS; None is unencrypted.
    """

    def __init__(
        self, address: str, channel_options: tuple[tuple[str, Any], ...] = (), credentials: Any = None
    ) -> None:
        self.address = address
        options = (
            ("grpc.max_receive_message_length", _UNLIMITED),
            ("grpc.max_send_message_length", _UNLIMITED),
            # gRPC waits up to two minutes before it looks again for a server that was not there.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            *channel_options,
        )
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options=options)
        else:
            self._channel = grpc.secure_channel(address, credentials, options=options)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, request: Any, timeout: float) -> Any:
        """The `PredictResponse`; `timeout` in seconds.

        Raises:
            CallError: If the server does not answer, or refuses.
        """
        return self._call(self._prediction.Predict, request, timeout)

    def model_status(self, request: Any, timeout: float) -> Any:
        """The `GetModelStatusResponse`; `timeout` in seconds.

        Raises:
            CallError: If the server does not answer, or refuses.
        """
        return self._call(self._model.GetModelStatus, request, timeout)

    def close(self) -> None:
        """Closes the connection; calls that run end with an error."""
        self._channel.close()

    def __enter__(self) -> "Transport":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            code = error.code().name
            expected, remedy = _REMEDIES.get(code, ("an answer", "look at the server's log"))
            raise CallError(
                f"the model server at {self.address} answered {code}: {error.details()}", expected, remedy, code
            ) from error
        except ValueError as error:  # grpc's word for a closed channel
            raise CallError(f"the connection to {self.address} is closed", "an open client", "", "CANCELLED") from error
