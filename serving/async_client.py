"""Asks a model server for the land cover of patches, in asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import contract as wire
from components.contract import ModelContract
from components.errors import ServingError
from serving.adaptive_limit import AdaptiveLimit
from serving.async_transport import AsyncTransport
from serving.call_error import CallError
from serving.client_options import DEFAULT_MODEL_NAME, ClientOptions
from serving.conversation import Conversation, join, split
from serving.guarded_calls import AsyncCalls, policy_of
from serving.readiness import ReadinessWait, unhealthy

Call = Callable[[Any, float], Awaitable[Any]]
Send = Callable[[Call, Any], Awaitable[Any]]


class AsyncSegmentationClient:
    """`SegmentationClient` for asyncio: the same options, pinning, limits and errors. One event loop uses it.

    Use::

        async with AsyncSegmentationClient("localhost:8500") as client:
            class_ids = await client.predict_class_ids(patches)

    Args:
        address, model_name, version, options, label: As of `SegmentationClient`.
        transport: In place of gRPC, for tests.
    """

    def __init__(
        self,
        address: str,
        model_name: str = DEFAULT_MODEL_NAME,
        version: int | None = None,
        options: ClientOptions | None = None,
        transport: AsyncTransport | None = None,
        label: str | None = None,
    ) -> None:
        self.address = address
        self.model_name = model_name
        self.options = options or ClientOptions()
        self._conversation = Conversation(address, model_name, version, label)
        self._transport = transport or AsyncTransport(address, self.options.channel)
        self._limit = AdaptiveLimit(self.options.concurrency, self.options.limit)
        self._calls = AsyncCalls(policy_of(address, self.options), self._limit)
        self._lock = asyncio.Lock()

    async def version(self) -> int:
        """As `SegmentationClient.version`."""
        async with self._lock:
            return await self._pinned_version()

    async def contract(self) -> ModelContract:
        """As `SegmentationClient.contract`."""
        async with self._lock:
            if self._conversation.contract is None:
                await self._pinned_version()  # a label's version comes with the contract
            return self._conversation.contract or await self._describe(self._guarded)

    def repin(self) -> bool:
        """As `SegmentationClient.repin`."""
        return self._conversation.repin()

    async def wait_until_ready(self, timeout: float) -> int:
        """As `SegmentationClient.wait_until_ready`."""
        wait = ReadinessWait(self.address, timeout)

        def look(call: Call, request: Any) -> Awaitable[Any]:
            return call(request, wait.look_seconds())

        while True:
            try:
                if not await self._transport.is_healthy(wait.look_seconds()):
                    raise unhealthy(self.address)
                async with self._lock:
                    if self._conversation.label is not None and self._conversation.version is None:
                        await self._describe(look)
                    else:
                        self._conversation.version = await self._available_version(look)
                    return int(self._conversation.version or 0)
            except ServingError as error:
                await asyncio.sleep(wait.pause_after(error))

    async def predict_class_ids(self, patches: NDArray[Any]) -> NDArray[np.uint8]:
        """As `SegmentationClient.predict_class_ids`."""
        return await self._predict_all(patches, wire.CLASS_IDS_BYTES)

    async def predict_scores(self, patches: NDArray[Any]) -> NDArray[np.uint8]:
        """As `SegmentationClient.predict_scores`."""
        return await self._predict_all(patches, wire.SCORES_BYTES)

    async def close(self) -> None:
        """Ends the connection: requests that wait or run end with an error."""
        self._calls.close()
        await self._transport.close()

    async def __aenter__(self) -> "AsyncSegmentationClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _predict_all(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        contract = await self.contract()
        self._conversation.check(patches, contract)
        tasks = [
            asyncio.ensure_future(self._predict(part, output))
            for part in split(patches, self.options.patches_per_request)
        ]
        try:
            return join(await asyncio.gather(*tasks), output, contract)
        finally:  # the first failure, or the caller's cancelling, ends the others
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _predict(self, patches: NDArray[Any], output: str) -> NDArray[np.uint8]:
        contract, version = await self.contract(), await self.version()
        # A request is built when it has its turn, so that a large array is not held twice.
        response = await self._calls.call(
            lambda timeout: self._transport.predict(
                self._conversation.predict_request(patches, output, version), timeout
            )
        )
        return self._conversation.read_prediction(response, output, len(patches), contract)

    async def _guarded(self, call: Call, request: Any) -> Any:
        return await self._calls.call(lambda timeout: call(request, timeout))

    async def _pinned_version(self) -> int:
        if self._conversation.version is None:
            if self._conversation.label is not None:
                await self._describe(self._guarded)
            else:
                self._conversation.version = await self._available_version(self._guarded)
        return int(self._conversation.version or 0)

    async def _available_version(self, send: Send) -> int:
        status = await send(self._transport.model_status, self._conversation.status_request())
        return self._conversation.newest_version(status)

    async def _describe(self, send: Send) -> ModelContract:
        try:
            response = await send(self._transport.predict, self._conversation.describe_request())
        except CallError as error:
            raise self._conversation.explain(error) from error.__cause__
        return self._conversation.read_description(response)
