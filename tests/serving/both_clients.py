"""The blocking client and the one for asyncio behind one face, so that one test holds both to one contract."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from components.contract import ModelContract
from serving.async_client import AsyncSegmentationClient
from serving.client import SegmentationClient

KINDS = ("blocking", "asyncio")


class AsyncioFace:
    """`AsyncSegmentationClient`, its event loop in a thread, called as one calls `SegmentationClient`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.client: AsyncSegmentationClient = self._run(self._make(arguments, options))
        except BaseException:
            self._stop()
            raise

    async def _make(self, arguments: Any, options: Any) -> AsyncSegmentationClient:
        return AsyncSegmentationClient(*arguments, **options)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(120)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: self._run(getattr(self.client, name)(*arguments))

    @property
    def version(self) -> int:
        return self._run(self.client.version())

    def contract(self) -> ModelContract:
        return self._run(self.client.contract())

    def repin(self) -> bool:
        return self.client.repin()

    @property
    def limit(self) -> Any:
        return self.client._limit

    def __enter__(self) -> "AsyncioFace":
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self.client.close())
        self._run(self._others_end())
        self._stop()

    async def _others_end(self) -> None:
        """As `asyncio.run` does: a loop that stopped at once would leave what the closing has ended hanging."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 60)


class BlockingFace(SegmentationClient):
    @property
    def limit(self) -> Any:
        return self._limit


def make_client(kind: str, *arguments: Any, **options: Any) -> Any:
    """A client of that kind, to be used in a `with`; arguments as of `SegmentationClient`."""
    return (BlockingFace if kind == "blocking" else AsyncioFace)(*arguments, **options)
