"""A constant load on a served label: asks once a request, tries nothing again, and remembers who answered what."""

import threading
from collections import Counter
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from components import contract as wire
from components.contract import ModelContract
from components.errors import EosegError
from serving.conversation import Conversation
from serving.transport import Transport

PAUSE_SECONDS = 0.05
"""Between two requests: the same two cores also train meanwhile."""


class LabelAsker:
    """Asks for the same patches again and again while it is entered; each version must give one and the same answer.

    Attributes:
        flaws: What failed, and answers of a version that differ from its first.
        versions: How many answers each version gave.
    """

    def __init__(self, address: str, contract: ModelContract, label: str) -> None:
        self.flaws: list[str] = []
        self.versions: Counter[int] = Counter()
        self._address, self._contract, self._label = address, contract, label
        shape = (2, contract.patch_size, contract.patch_size, len(contract.bands))
        self._patches = np.random.default_rng(0).integers(0, 255, shape).astype(contract.dtype)
        self._first: dict[int, NDArray[np.uint8]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "LabelAsker":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        conversation = Conversation(self._address, "eoseg", label=self._label)
        with Transport(self._address) as transport:
            while not self._stop.wait(PAUSE_SECONDS):
                request = conversation.predict_request(self._patches, wire.CLASS_IDS_BYTES, None)
                try:
                    response = transport.predict(request, 60.0)
                    found = conversation.read_prediction(response, wire.CLASS_IDS_BYTES, 2, self._contract)
                except EosegError as error:
                    self.flaws.append(str(error))
                    continue
                version = int(response.model_spec.version.value)
                self.versions[version] += 1
                if not np.array_equal(found, self._first.setdefault(version, found)):
                    self.flaws.append(f"version {version} answered otherwise than before")
