"""The one seam to gRPC on the asyncio client's side: calls go out, foreign errors come back as EOSeg's own."""

import asyncio
from typing import Any

import grpc
import grpc.aio

from serving.call_error import CallError, call_error, closed_error
from serving.channel import BearerToken, ChannelOptions, open_channel
from serving.methods import HEALTH_UNKNOWN, Methods, is_serving


class AsyncTransport:
    """`Transport` for asyncio; make it and use it in one event loop.

    Args:
        address: `host:port`, or `unix:/path`.
        options: Encryption, token, compression, sizes.

    Raises:
        ConfigError, MissingFileError: On an address that is none, or certificates or a token that cannot be used.
    """

    def __init__(self, address: str, options: ChannelOptions | None = None) -> None:
        options = options or ChannelOptions()
        self.address = address
        self._token = BearerToken(options)
        self._channel = open_channel(grpc.aio, address, options)
        self._methods = Methods(self._channel)
        self._closed = False

    async def predict(self, request: Any, timeout: float) -> Any:
        """As `Transport.predict`."""
        return await self._call(self._methods.predict, request, timeout)

    async def model_status(self, request: Any, timeout: float) -> Any:
        """As `Transport.model_status`."""
        return await self._call(self._methods.model_status, request, timeout)

    async def is_healthy(self, timeout: float) -> bool:
        """As `Transport.is_healthy`."""
        try:
            return is_serving(await self._call(self._methods.health, self._methods.health_request(), timeout))
        except CallError as error:
            if error.code in HEALTH_UNKNOWN:
                return True
            raise

    async def close(self) -> None:
        """Closes the connection; calls that run end with an error."""
        self._closed = True
        await self._channel.close()

    async def _call(self, method: Any, request: Any, timeout: float) -> Any:
        metadata = self._token.metadata()
        try:
            return await method(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise call_error(self.address, error) from error
        except grpc.aio.UsageError as error:  # grpc's word for a closed channel
            raise closed_error(self.address) from error
        except asyncio.CancelledError as error:
            if self._closed:  # the call was cancelled by the channel, not the task by its owner
                raise closed_error(self.address) from error
            raise
