"""The one seam to gRPC on the blocking client's side: calls go out, foreign errors come back as EOSeg's own."""

from types import TracebackType
from typing import Any

import grpc

from serving.call_error import CallError, call_error, closed_error
from serving.channel import BearerToken, ChannelOptions, open_channel
from serving.methods import HEALTH_UNKNOWN, Methods, is_serving

__all__ = ["CallError", "Transport"]


class Transport:
    """Calls to one model server; thread-safe.

    Args:
        address: `host:port`, or `unix:/path`.
        options: Encryption, token, compression, sizes.
        credentials: `grpc.ssl_channel_credentials(...)` in place of `options.tls`.

    Raises:
        ConfigError, MissingFileError: On an address that is none, or certificates or a token that cannot be used.
    """

    def __init__(self, address: str, options: ChannelOptions | None = None, credentials: Any = None) -> None:
        options = options or ChannelOptions()
        self.address = address
        self._token = BearerToken(options)
        self._channel = open_channel(grpc, address, options, credentials)
        self._methods = Methods(self._channel)

    def predict(self, request: Any, timeout: float) -> Any:
        """The `PredictResponse`; `timeout` in seconds.

        Raises:
            CallError: If the server does not answer, or refuses.
        """
        return self._call(self._methods.predict, request, timeout)

    def model_status(self, request: Any, timeout: float) -> Any:
        """The `GetModelStatusResponse`; `timeout` in seconds.

        Raises:
            CallError: If the server does not answer, or refuses.
        """
        return self._call(self._methods.model_status, request, timeout)

    def is_healthy(self, timeout: float) -> bool:
        """Whether the server says that it serves; True too if it has no health service.

        Raises:
            CallError: If the server does not answer.
        """
        try:
            return is_serving(self._call(self._methods.health, self._methods.health_request(), timeout))
        except CallError as error:
            if error.code in HEALTH_UNKNOWN:
                return True
            raise

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
        metadata = self._token.metadata()
        try:
            return method(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise call_error(self.address, error) from error
        except ValueError as error:  # grpc's word for a closed channel
            raise closed_error(self.address) from error
