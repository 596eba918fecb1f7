"""Predicts one scene again and again and checks every pixel of its map; a process of its own."""

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import rasterio

from benchmarks.load_story.askers import LABEL, MODEL
from benchmarks.load_story.known_model import right_class_ids
from components.errors import EosegError
from serving.client import SegmentationClient
from serving.client_options import ClientOptions
from serving.predict_map import predict_map
from serving.tuning.worker import Job, serve_jobs

_KEPT = 10


class _Client(SegmentationClient):
    """Counts how often a version was taken anew."""

    repins = 0

    def repin(self) -> bool:
        self.repins += 1
        return super().repin()


class SceneMaker:
    """One map after another in a thread."""

    def __init__(self, address: str, tile: Path, map_path: Path, label: str | None, stop: Path) -> None:
        self.scenes = self.wrong = self.begun_anew = 0
        self.failed: list[str] = []
        self.versions: Counter[int] = Counter()
        self._address, self._tile, self._map_path, self._label, self._stop = address, tile, map_path, label, stop
        with rasterio.open(tile) as dataset:
            self._pixels = dataset.read().transpose(1, 2, 0)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            client = _Client(self._address, MODEL, options=ClientOptions(concurrency=4), label=self._label)
            with client:
                while not self._stop.exists():
                    self._predict(client)
        except Exception as error:  # a thread must not end unseen
            self.failed.append(f"{type(error).__name__}: {error}")

    def _predict(self, client: _Client) -> None:
        client.repin()
        client.repins = 0
        try:
            result = predict_map(self._tile, self._map_path, client)
        except EosegError as error:
            self.failed.append(str(error))
            return
        finally:
            self.begun_anew += client.repins
        with rasterio.open(result.path) as dataset:
            class_map = dataset.read(1)
        self.wrong += not np.array_equal(class_map, right_class_ids(self._pixels, result.version))
        self.scenes += 1
        self.versions[result.version] += 1


def predict_until_stopped(job: Job) -> Job:
    """Makes maps until a file appears: one thread by the newest version, one by the label's.

    Args:
        job: `address`; `tile`; `folder` for the maps; `stop`, the file. An empty one is answered at once.

    Returns:
        `scenes`, `wrong` (maps with a pixel that is not the one version's), `failed`, `examples`, `begun_anew`
        (scenes whose version was unloaded on the way), `versions` (version -> scenes).
    """
    if not job:
        return {}
    folder = Path(job["folder"])
    makers = [
        SceneMaker(job["address"], Path(job["tile"]), folder / f"{label}.tif", label, Path(job["stop"]))
        for label in (None, LABEL)
    ]
    for maker in makers:
        maker.thread.start()
    for maker in makers:
        maker.thread.join()
    failed = [text for maker in makers for text in maker.failed]
    return {
        **{name: sum(getattr(maker, name) for maker in makers) for name in ("scenes", "wrong", "begun_anew")},
        "failed": len(failed),
        "examples": failed[:_KEPT],
        "versions": dict(sum((maker.versions for maker in makers), Counter())),
    }


def main() -> None:
    """Serves jobs until the input ends."""
    serve_jobs(predict_until_stopped)


if __name__ == "__main__":
    main()
