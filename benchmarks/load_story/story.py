"""What happens to the server while it is asked: the events, in order, and what the clients saw of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load_story.askers import LABEL
from benchmarks.load_story.known_model import (
    VERSIONS,
    export_truncated,
    export_version,
    export_without_variables,
    scene,
)
from benchmarks.load_story.story_server import ALL, StoryServer, Usage, latest, served, wait_until
from components.errors import ServingError
from serving.deploy.start_server import Kind
from serving.served_model import VersionPolicy
from serving.tuning.worker import Worker

TRUNCATED, WITHOUT_VARIABLES = 8, 9
CYCLES = 3
SCENE_HEIGHT, SCENE_WIDTH = 150, 210
_LEAST_PAUSE = 4.0  # seconds
_WARM_SECONDS = 5.0  # by then all threads of the server have had something to do
Say = Callable[[str], None]


class LabelMove(NamedTuple):
    """A time from which on the label stands for a version; monotonic seconds."""

    began: float
    done: float
    version: int


class Story:
    """The events.

    Args:
        server: Serves version 1, which has the label; told by `run` to do everything else.
        staging: The folder of the versions to push.
        say: Told of every event.

    Attributes:
        events: What happened when: `at` and `took` in seconds, `event`.
        moves: Of the label.
        outages: Seconds from each end of the server until it was ready again.
        usage: What the server took: `warm` under load, `before_restart`, `restarted`, `end`.
    """

    def __init__(self, server: StoryServer, staging: Path, say: Say) -> None:
        self.events: list[dict[str, Any]] = []
        self.moves = [LabelMove(0.0, 0.0, 1)]
        self.outages: list[float] = []
        self.usage: dict[str, Usage] = {}
        self._server = server
        self._staging = staging
        self._say = say
        self._began = time.monotonic()
        self._share = 0.0

    def run(self, seconds: float) -> None:
        """All events, spread over `seconds`, or longer if they take longer.

        Raises:
            ServingError: If one of them does not happen.
        """
        steps: Sequence[tuple[str, Callable[[], None]]] = [
            ("version 2 is pushed; the label cannot go there before it serves", self._push_second),
            ("the label is promoted to 2", lambda: self._configure(served(1, 2), 2)),
            ("the label is rolled back to 1", lambda: self._configure(served(1, 2), 1)),
            ("a version with half a graph is dropped in", lambda: self._drop_in_broken(TRUNCATED)),
            ("a version without variables is dropped in", lambda: self._drop_in_broken(WITHOUT_VARIABLES)),
            ("models.config is overwritten with nonsense, and repaired", self._break_config),
            ("version 3 is pushed where two are kept: 1 is unloaded", self._push_third),
            ("the label is promoted to 3", lambda: self._configure(latest(2), 3)),
            ("3 is rolled back: its folder is withdrawn, 1 returns", self._roll_back_third),
            (f"3 is pushed and withdrawn {CYCLES} times", self._push_and_withdraw),
            ("the server is stopped (SIGTERM) and started again", self._restart),
            ("the server is killed (SIGKILL) and started again", self._kill),
        ]
        time.sleep(_WARM_SECONDS)
        self.usage["warm"] = self._server.usage()
        self._began = time.monotonic()
        self._share = share = seconds / (len(steps) + 1)
        for number, (what, do) in enumerate(steps, 1):
            # Each in its time, and after a late one a little later: the load goes on for a while between any two.
            time.sleep(max(min(share, _LEAST_PAUSE), self._began + number * share - time.monotonic()))
            with self._event(what):
                do()
        self.usage["restarted"] = self._server.usage()
        time.sleep(max(share, self._began + seconds - time.monotonic()))
        self.usage["end"] = self._server.usage()

    def stale_label_answers(self, answers: Sequence[tuple[float, float, int]]) -> int:
        """Requests by label that were answered by a version that the label had left, or not yet reached.

        Args:
            answers: Began, ended, version; monotonic seconds.
        """
        stale = 0
        for began, ended, version in answers:
            # The last move that was done before the request began, and all that began before it ended.
            first = max(i for i, move in enumerate(self.moves) if move.done <= began)
            allowed = {move.version for move in self.moves[first:] if move.began <= ended}
            stale += version not in allowed
        return stale

    @contextmanager
    def _event(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        self._say(f"{began - self._began:6.1f} s  {what}")
        yield
        at, took = began - self._began, time.monotonic() - began
        self.events.append({"at": round(at, 1), "took": round(took, 1), "event": what})

    def _push(self, version: int) -> None:
        (self._staging / str(version)).rename(self._server.base / str(version))

    def _withdraw(self, version: int) -> None:
        (self._server.base / str(version)).rename(self._staging / str(version))

    def _configure(self, policy: VersionPolicy, label: int) -> None:
        """Writes the file, which is polled, and reloads at once."""
        began = time.monotonic()
        self._server.write_config(self._server.config_text(policy, {LABEL: label}))
        refusal = self._server.reload(policy, {LABEL: label})
        if refusal:
            raise ServingError(f"the reload was refused: {refusal}", "a reload", "see the server's log")
        if label != self.moves[-1].version:
            self.moves.append(LabelMove(began, time.monotonic(), label))

    def _push_second(self) -> None:
        self._push(2)
        refusal = self._server.reload(served(1, 2), {LABEL: 2})
        if "not currently available" not in refusal:
            raise ServingError(f"the label was given to a version that is not there: '{refusal}'", "a refusal", "")
        self._configure(served(1, 2), 1)
        self._server.wait_for(v1="AVAILABLE", v2="AVAILABLE")

    def _drop_in_broken(self, version: int) -> None:
        self._server.write_config(self._server.config_text(ALL, {LABEL: 1}))
        self._push(version)
        self._server.wait_for(**{f"v{version}": "END"}, v1="AVAILABLE", v2="AVAILABLE")
        self._withdraw(version)

    def _break_config(self) -> None:
        complaint = "PollFilesystemAndReloadConfig failed"
        before = self._server.log.read_text(errors="replace").count(complaint)
        self._server.write_config("model_config_list { config { nonsense: 1 } }")
        log = self._server.log
        wait_until("the config is refused", lambda: log.read_text(errors="replace").count(complaint) > before)
        self._configure(ALL, 1)

    def _push_third(self) -> None:
        self._configure(latest(2), 1)
        self._configure(latest(2), 2)  # whose version stays
        self._push(3)
        self._server.wait_for(v1="END", v2="AVAILABLE", v3="AVAILABLE")

    def _roll_back_third(self) -> None:
        self._configure(latest(2), 2)
        self._withdraw(3)
        self._server.wait_for(v1="AVAILABLE", v2="AVAILABLE", v3="END")

    def _push_and_withdraw(self) -> None:
        for _ in range(CYCLES):
            self._push(3)
            self._server.wait_for(v1="END", v3="AVAILABLE")
            self._withdraw(3)
            self._server.wait_for(v1="AVAILABLE", v3="END")

    def _restart(self) -> None:
        self.usage["before_restart"] = self._server.usage()
        code = self._server.terminate()
        if code != 0:
            raise ServingError(f"the server ended with code {code} on SIGTERM", "0", "see its log")
        self._start_again()

    def _kill(self) -> None:
        self._server.kill()
        self._start_again()

    def _start_again(self) -> None:
        began = time.monotonic()
        self._server.start()
        self.outages.append(round(time.monotonic() - began, 1))
        self._server.wait_for(v1="AVAILABLE", v2="AVAILABLE")
        time.sleep(2 * self._share)  # clients and their connections pause before they find a server that is back


def tell_story(folder: Path, seconds: float, clients: int, kind: Kind, say: Say = lambda _: None) -> dict[str, Any]:
    """Serves, loads, and lets everything happen.

    Args:
        folder: An empty one, for models, config files, log and maps.
        seconds: How long the clients ask, at least.
        clients: How many ask for patches; two more make maps.
        kind: The embedded server or the stock one.
        say: Told of every event.

    Returns:
        What is printed.

    Raises:
        ServingError: If an event does not happen.
    """
    staging, stop = folder / "staging", folder / "stop"
    tile = write_scene(folder / "scene.tif")
    with StoryServer(folder, served(1), {LABEL: 1}, kind) as server:
        stage_versions(staging)
        server.base.mkdir(parents=True)
        (staging / "1").rename(server.base / "1")
        server.start()
        story = Story(server, staging, say)
        job = {"address": server.address, "stop": str(stop)}
        with Worker("benchmarks.load_story.askers") as askers, Worker("benchmarks.load_story.scene_maker") as scenes:
            for worker in (askers, scenes):
                worker.ask({})  # until it has imported what it needs
            began = time.monotonic()
            askers.send({**job, "clients": clients})
            scenes.send({**job, "tile": str(tile), "folder": str(folder)})
            try:
                story.run(seconds)
            finally:
                stop.touch()
            asked, made = askers.receive(), scenes.receive()
            took = time.monotonic() - began
    stale = story.stale_label_answers(asked.pop("label_answers"))
    return {
        "wrong_answers": asked["wrong"] + stale,
        "failed_requests": asked["failed"],
        "wrong_scenes": made["wrong"],
        "failed_scenes": made["failed"],
        "seconds": round(took, 1),
        "clients": clients,
        "requests": asked["requests"],
        "patches": asked["patches"],
        "requests_per_second": round(asked["requests"] / took, 1),
        "scenes": made["scenes"],
        "scenes_begun_anew": made["begun_anew"],
        "versions_answered": asked["versions"],
        "versions_of_scenes": made["versions"],
        "retries": asked["refusals"],
        "moved_on": asked["moved_on"],
        "stale_label_answers": stale,
        "call_ms": asked["call_ms"],
        "try_ms": asked["try_ms"],
        "longest_call_s": asked["longest_call_s"],
        "outages_s": story.outages,
        "server": {when: usage._asdict() for when, usage in story.usage.items()},
        "events": story.events,
        "examples": [*asked["examples"], *made["examples"]],
    }


def stage_versions(staging: Path) -> None:
    """Exports all versions, the broken ones too, into a folder."""
    for version in VERSIONS:
        export_version(staging / str(version), version)
    export_truncated(staging / "1", staging / str(TRUNCATED))
    export_without_variables(staging / "1", staging / str(WITHOUT_VARIABLES))


def write_scene(path: Path, height: int = SCENE_HEIGHT, width: int = SCENE_WIDTH) -> Path:
    """The scene as a GeoTIFF."""
    import rasterio

    pixels = scene(height, width)
    place = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_500_000)}
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.write(pixels.transpose(2, 0, 1))
    return path
