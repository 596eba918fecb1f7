import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.embedded.status import Code, StatusError
from serving.embedded.version_manager import VersionManager
from serving.served_model import ServedModel, VersionPolicy


class FakeVersion:
    def __init__(self, version: int) -> None:
        self.version = version
        self.closed = False
        self.idle = threading.Event()  # cleared: a request still runs, and close waits for it
        self.idle.set()

    def close(self, timeout: float | None = None) -> None:
        self.idle.wait(10 if timeout is None else timeout)
        self.closed = True


class Loader:
    """Loads by number; versions in `broken` fail that many times."""

    def __init__(self) -> None:
        self.broken: dict[int, int] = {}
        self.tries: list[int] = []
        self.made: dict[int, FakeVersion] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, model: ServedModel, version: int, path: str) -> Any:
        self.gate.wait(10)
        self.tries.append(version)
        if self.broken.get(version, 0) > 0:
            self.broken[version] -= 1
            raise StatusError(Code.DATA_LOSS, "rotten")
        self.made[version] = FakeVersion(version)
        return self.made[version]


Make = Callable[..., VersionManager]


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def make(loader: Loader) -> Iterator[Make]:
    managers = []

    def start(*models: ServedModel, **options: Any) -> VersionManager:
        options = {"poll_seconds": 0.02, "max_load_retries": 0, "load_retry_seconds": 0.01, **options}
        manager = VersionManager(loader, **options)
        managers.append(manager)
        manager.start(models)
        return manager

    yield start
    loader.gate.set()
    for manager in managers:
        manager.stop()


def folder_with(base: Path, *versions: int) -> Path:
    for version in versions:
        (base / str(version)).mkdir(parents=True)
    return base


def model(base: Path, **policy: Any) -> ServedModel:
    return ServedModel(name="m", base_path=str(base), policy=VersionPolicy(**policy))


def states(manager: VersionManager) -> dict[int, str]:
    return {status.version: status.state for status in manager.statuses("m")}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)


def test_the_latest_version_serves(make: Make, tmp_path: Path) -> None:
    manager = make(model(folder_with(tmp_path, 1, 3)))
    manager.wait_until_available(["m"], 10)
    assert states(manager) == {3: "AVAILABLE"}
    assert manager.find("m").version == 3


def test_all_or_some_versions_serve_where_the_policy_says_so(make: Make, tmp_path: Path) -> None:
    folder_with(tmp_path, 1, 2, 3)
    everything = make(model(tmp_path, kind="all"))
    wait_for(lambda: states(everything) == {1: "AVAILABLE", 2: "AVAILABLE", 3: "AVAILABLE"})
    some = make(model(tmp_path, kind="specific", versions=(2, 9)))
    wait_for(lambda: states(some) == {2: "AVAILABLE"})


def test_a_new_version_takes_over_without_a_gap_and_the_old_one_is_closed(
    make: Make, loader: Loader, tmp_path: Path
) -> None:
    manager = make(model(folder_with(tmp_path, 1)))
    manager.wait_until_available(["m"], 10)
    loader.gate.clear()
    folder_with(tmp_path, 2)
    wait_for(lambda: states(manager) == {1: "AVAILABLE", 2: "LOADING"})
    assert manager.find("m").version == 1
    loader.gate.set()
    wait_for(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})
    assert loader.made[1].closed
    assert manager.find("m").version == 2
    with pytest.raises(StatusError, match=r"Specific\(m, 1\)"):
        manager.find("m", 1)


@pytest.mark.parametrize("poll_seconds", [0.02, 60.0])
def test_a_version_wanted_again_while_it_unloads_is_loaded_anew_before_its_successor_goes(
    make: Make, loader: Loader, tmp_path: Path, poll_seconds: float
) -> None:
    manager = make(model(folder_with(tmp_path, 1)), poll_seconds=poll_seconds)
    manager.wait_until_available(["m"], 10)
    first = loader.made[1]
    first.idle.clear()
    folder_with(tmp_path, 2)
    manager.reload([model(tmp_path)])
    wait_for(lambda: states(manager) == {1: "UNLOADING", 2: "AVAILABLE"})
    loader.gate.clear()
    (tmp_path / "2").rmdir()  # rolled back
    manager.reload([model(tmp_path)])
    wait_for(lambda: [status.aspired for status in manager.statuses("m")] == [False, True])
    first.idle.set()
    wait_for(lambda: states(manager)[1] == "LOADING")
    for _ in range(30):  # three of the manager's ticks, in which it could take version 2 away
        assert manager.find("m").version == 2
        time.sleep(0.01)
    loader.gate.set()
    wait_for(lambda: states(manager) == {1: "AVAILABLE", 2: "END"})
    assert first.closed
    assert manager.find("m").version == 1


def test_removing_the_newest_rolls_back(make: Make, tmp_path: Path) -> None:
    manager = make(model(folder_with(tmp_path, 1, 2)))
    manager.wait_until_available(["m"], 10)
    (tmp_path / "2").rmdir()
    wait_for(lambda: states(manager) == {1: "AVAILABLE", 2: "END"})
    folder_with(tmp_path, 2)
    wait_for(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})


def test_a_broken_version_leaves_the_old_one_serving_and_is_not_tried_for_ever(
    make: Make, loader: Loader, tmp_path: Path
) -> None:
    manager = make(model(folder_with(tmp_path, 1)), max_load_retries=2)
    manager.wait_until_available(["m"], 10)
    loader.broken[2] = 99
    folder_with(tmp_path, 2)
    wait_for(lambda: states(manager).get(2) == "END")
    time.sleep(0.1)
    assert loader.tries.count(2) == 3
    assert states(manager)[1] == "AVAILABLE"
    error = manager.statuses("m")[0].error
    assert error is not None
    assert (error.code, error.message) == (Code.DATA_LOSS, "rotten")


def test_a_version_that_loads_at_the_second_try_serves(make: Make, loader: Loader, tmp_path: Path) -> None:
    loader.broken[1] = 1
    manager = make(model(folder_with(tmp_path, 1)), max_load_retries=1)
    manager.wait_until_available(["m"], 10)
    assert loader.tries == [1, 1]


def test_retries_end_when_the_version_is_no_longer_wanted(make: Make, loader: Loader, tmp_path: Path) -> None:
    loader.broken[1] = 99
    manager = make(model(folder_with(tmp_path, 1)), max_load_retries=99, load_retry_seconds=60)
    wait_for(lambda: loader.tries == [1])
    (tmp_path / "1").rmdir()
    wait_for(lambda: states(manager) == {1: "END"})


def test_a_failed_start_says_which_version_and_why(make: Make, loader: Loader, tmp_path: Path) -> None:
    loader.broken[1] = 99
    manager = make(model(folder_with(tmp_path, 1)))
    with pytest.raises(StatusError) as caught:
        manager.wait_until_available(["m"], 10)
    assert caught.value.message == (
        "1 servable(s) did not become available: {{{name: m version: 1} due to error: DATA_LOSS: rotten}, }"
    )


def test_a_model_without_a_version_is_waited_for(make: Make, tmp_path: Path) -> None:
    manager = make(model(tmp_path))
    with pytest.raises(StatusError, match="DEADLINE_EXCEEDED"):
        manager.wait_until_available(["m"], 0.2)
    folder_with(tmp_path, 1)
    manager.wait_until_available(["m"], 10)


def test_a_base_path_that_vanishes_unloads_nothing(make: Make, tmp_path: Path) -> None:
    base = folder_with(tmp_path / "m", 1)
    manager = make(model(base))
    manager.wait_until_available(["m"], 10)
    base.rename(tmp_path / "away")
    time.sleep(0.15)
    assert states(manager) == {1: "AVAILABLE"}
    (tmp_path / "m").mkdir()  # empty, but there: now it unloads
    wait_for(lambda: states(manager) == {1: "END"})
