"""A client without a server: class k scores what band k holds."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from serving.call_error import CallError
from serving.client import ClientOptions

TABLE = ClassTable(
    classes=tuple(LandClass(name=name, color=(i, 100, 0)) for i, name in enumerate(("water", "forest", "roof")))
)


def contract_of(patch_size: int = 16, bands: int = 3) -> ModelContract:
    return ModelContract(patch_size=patch_size, bands=tuple("abcdef"[:bands]), dtype="uint8", table=TABLE)


class FakeClient:
    """What `predict_map` needs of a `SegmentationClient`.

    Args:
        model_contract: What it answers to.
        version: The version that it asks.
        before: Called before each answer with the number of patches asked for so far.
    """

    model_name = "eoseg"
    options = ClientOptions(concurrency=1, patches_per_request=4)

    def __init__(
        self,
        model_contract: ModelContract | None = None,
        version: int = 1,
        before: Callable[[int], None] = lambda _: None,
        successor: int | None = None,
    ) -> None:
        self.version = version
        self.patches = 0
        self._contract = model_contract or contract_of()
        self._before = before
        self._successor = successor

    def contract(self) -> ModelContract:
        return self._contract

    def repin(self) -> bool:
        if self._successor is None:
            return False
        self.version, self._before = self._successor, lambda _: None
        return True

    def submit_scores(self, patches: NDArray[Any]) -> "Future[NDArray[np.uint8]]":
        future: Future[NDArray[np.uint8]] = Future()
        try:
            self._before(self.patches)
            future.set_result(np.maximum(patches, 1))
        except CallError as error:
            future.set_exception(error)
        self.patches += len(patches)
        return future


def fail_after(patches: int, code: str) -> Callable[[int], None]:
    """For `before`: from so many patches on, calls end with this code."""

    def check(asked: int) -> None:
        if asked >= patches:
            raise CallError("the server is away", "a server", "start one", code)

    return check


def stand_still_after(patches: int) -> Callable[[int], None]:
    """For `before`: says so, and waits to be killed."""

    def check(asked: int) -> None:
        if asked >= patches:
            print("standing still", flush=True)
            time.sleep(600)

    return check
