"""Clients that ask for patches without pause and check every answer; a process of its own (`serving.tuning.worker`).

Four kinds, as many of each:

- `newest`: `SegmentationClient`, pinned to the newest version, which looks for a newer one now and then;
- `label`: the same, pinned to the version that has the label;
- `plain`: names no version: each request is answered by the newest one;
- `plain label`: names the label in each request.

The first two are moved on when their version is unloaded (NOT_FOUND, then `repin`), which is what that method is for.
To the others nothing may ever be NOT_FOUND: a server that changes versions must not have a gap.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load_story.known_model import CONTRACT, random_patches, right_class_ids, right_scores
from benchmarks.load_story.watched_transport import WatchedTransport
from components import contract as wire
from components.errors import ServingError
from serving.adaptive_limit import AdaptiveLimit
from serving.call_error import CallError
from serving.client import SegmentationClient
from serving.client_options import ClientOptions
from serving.conversation import Conversation
from serving.guarded_calls import BlockingCalls, policy_of
from serving.tuning.worker import Job, serve_jobs

KINDS = ("newest", "label", "plain", "plain label")
LABEL = "stable"
MODEL = "known"
_MOST_PATCHES = 4
_REPIN_EVERY = 20
_KEPT = 10

Ask = Callable[[NDArray[np.uint8], str], NDArray[np.uint8]]


class Asker:
    """One client in a thread.

    Attributes:
        found: What happened, as the job's answer has it.
    """

    def __init__(self, address: str, number: int, stop: Path) -> None:
        self.kind = KINDS[number % len(KINDS)]
        self.transport = WatchedTransport(address)
        self.requests = self.patches = self.moved_on = 0
        self.wrong: list[str] = []
        self.failed: list[str] = []
        self.versions: Counter[int] = Counter()
        self.call_ms: list[float] = []
        self.label_answers: list[tuple[float, float, int]] = []
        self._stop = stop
        self._rng = np.random.default_rng(number)
        self._client: SegmentationClient | None = None
        self._ask = self._pinned(address) if self.kind in ("newest", "label") else self._unpinned(address)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _pinned(self, address: str) -> Ask:
        label = LABEL if self.kind == "label" else None
        options = ClientOptions(concurrency=1, patches_per_request=_MOST_PATCHES)
        client = SegmentationClient(address, MODEL, options=options, transport=self.transport, label=label)
        self._client = client

        def ask(patches: NDArray[np.uint8], output: str) -> NDArray[np.uint8]:
            if self.requests % _REPIN_EVERY == 0:
                client.repin()
            while True:
                try:
                    answer = (client.predict_scores if output == wire.SCORES_BYTES else client.predict_class_ids)(
                        patches
                    )
                except CallError as error:
                    if error.code != "NOT_FOUND":
                        raise
                    self.moved_on += 1
                    client.repin()
                    continue
                if self.transport.answered_by != client.version:
                    self.wrong.append(f"version {self.transport.answered_by} answered for {client.version}")
                return answer

        return ask

    def _unpinned(self, address: str) -> Ask:
        conversation = Conversation(address, MODEL, label=LABEL if self.kind == "plain label" else None)
        options = ClientOptions(concurrency=1)
        calls = BlockingCalls(policy_of(address, options), AdaptiveLimit(1, options.limit))

        def ask(patches: NDArray[np.uint8], output: str) -> NDArray[np.uint8]:
            request = conversation.predict_request(patches, output, None)
            response = calls.call(lambda timeout: self.transport.predict(request, timeout))
            return conversation.read_prediction(response, output, len(patches), CONTRACT)

        return ask

    def _run(self) -> None:
        try:
            while not self._stop.exists():
                self._ask_once()
        except Exception as error:  # a thread must not end unseen
            self.failed.append(f"{self.kind}: {type(error).__name__}: {error}")
        finally:
            if self._client is not None:
                self._client.close()
            self.transport.close()

    def _ask_once(self) -> None:
        patches = random_patches(self._rng, int(self._rng.integers(1, _MOST_PATCHES + 1)))
        output = (wire.SCORES_BYTES, wire.CLASS_IDS_BYTES)[self.requests % 2]
        began = time.monotonic()
        try:
            answer = self._ask(patches, output)
        except ServingError as error:
            self.failed.append(f"{self.kind}: {error.problem}")
            time.sleep(0.05)  # whatever fails at once must not fill the memory
            return
        finally:
            self.requests += 1
        ended = time.monotonic()
        version = self.transport.answered_by
        right = (right_scores if output == wire.SCORES_BYTES else right_class_ids)(patches, version)
        if not np.array_equal(answer, right):
            self.wrong.append(f"{self.kind}: {np.count_nonzero(answer != right)} values of version {version} are wrong")
        self.patches += len(patches)
        self.versions[version] += 1
        self.call_ms.append((ended - began) * 1e3)
        if self.kind == "plain label":
            self.label_answers.append((began, ended, version))


def ask_until_stopped(job: Job) -> Job:
    """Loads a server until a file appears.

    Args:
        job: `address`; `clients`, a multiple of four shares them evenly; `stop`, the file. An empty one is answered at
            once.

    Returns:
        `requests`, `patches`, `wrong` and `failed` (counts, with examples under `examples`), `versions` (version ->
        answers), `moved_on` (times that a pinned client took its version's successor), `refusals` (gRPC code -> tries),
        `call_ms` and `try_ms` (percentiles: with all tries and pauses, and of each answered try), `longest_call_s`,
        `label_answers` (began, ended, version of each request by label; monotonic seconds).
    """
    if not job:
        return {}
    askers = [Asker(job["address"], number, Path(job["stop"])) for number in range(job["clients"])]
    for asker in askers:
        asker.thread.start()
    for asker in askers:
        asker.thread.join()
    refusals: Counter[str] = Counter()
    versions: Counter[int] = Counter()
    for asker in askers:
        refusals.update(asker.transport.refusals)
        versions.update(asker.versions)
    wrong, failed = [[text for asker in askers for text in getattr(asker, kind)] for kind in ("wrong", "failed")]
    call_ms = [value for asker in askers for value in asker.call_ms]
    return {
        **{name: sum(getattr(asker, name) for asker in askers) for name in ("requests", "patches", "moved_on")},
        "wrong": len(wrong),
        "failed": len(failed),
        "examples": (wrong + failed)[:_KEPT],
        "versions": dict(versions),
        "refusals": dict(refusals),
        "call_ms": percentiles(call_ms),
        "try_ms": percentiles([value for asker in askers for value in asker.transport.answered_ms]),
        "longest_call_s": round(max(call_ms, default=0.0) / 1e3, 2),
        "label_answers": [answer for asker in askers for answer in asker.label_answers],
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99."""
    if not values:
        return {}
    return {f"p{share}": round(float(np.percentile(values, share)), 2) for share in (50, 95, 99)}


def main() -> None:
    """Serves jobs until the input ends."""
    serve_jobs(ask_until_stopped)


if __name__ == "__main__":
    main()
