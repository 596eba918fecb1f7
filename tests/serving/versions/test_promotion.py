"""Promotion, canary and roll-back on real servers: the order, the failure, the interruption."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from components.errors import EosegError
from serving.call_error import CallError
from serving.client import SegmentationClient
from serving.deploy.models_config import read_models_config
from serving.embedded.server import EmbeddedServer
from serving.served_model import ServedModel
from serving.versions import change
from serving.versions.audit import read_audit, stable_history
from serving.versions.canary_state import read_canary
from serving.versions.change import finish_interrupted
from serving.versions.lock import registry_lock
from serving.versions.operations import promote_version, roll_back_stable, set_canary, withdraw_canary
from serving.versions.registered import as_registered
from serving.versions.registry import Registry, registry_of
from serving.versions.registry_error import RegistryError
from serving.versions.server_control import ServerControl

from .conftest import ALONE, entry, labels, told, truncate

Start = Callable[..., EmbeddedServer]


def available(server: EmbeddedServer) -> set[int]:
    with ServerControl(server.address, "eoseg") as control:
        return control.available()


def answered_by(server: EmbeddedServer, label: str | None) -> int:
    """The version that answers, told by its answer: version v adds v to what band 0 holds."""
    with SegmentationClient(server.address, label=label) as client:
        scores = client.predict_scores(np.full((1, 16, 16, 3), 100, np.uint8))
    return int(scores[0, 0, 0, 0]) - 100


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def load(server: EmbeddedServer, label: str, threads: int = 2) -> Iterator[list[str]]:
    """Asks by a label without pause; gives the requests that failed. Every request names the label alone."""
    failed: list[str] = []
    answers: list[int] = []
    stop = threading.Event()
    patches = np.full((1, 16, 16, 3), 100, np.uint8)

    def ask() -> None:
        with SegmentationClient(server.address, label=label) as client:
            request = client._conversation
            contract = client.contract()
            while not stop.is_set():
                message = request.predict_request(patches, "scores_bytes", None)
                message.model_spec.version_label = label
                try:
                    response = client._transport.predict(message, 30.0)
                    scores = request.read_prediction(response, "scores_bytes", 1, contract)
                    answers.append(int(scores[0, 0, 0, 0]) - 100)
                except EosegError as error:
                    failed.append(str(error))

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield failed
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert answers


def test_a_first_promotion_without_a_server_writes_models_config(registry: Registry) -> None:
    promote_version(registry, 2, ALONE, reason="first")
    (model,) = read_models_config(registry.config_file)
    assert (model.name, model.base_path, dict(model.labels)) == ("eoseg", str(registry.folder), {"stable": 2})
    assert (model.policy.kind, model.policy.versions) == ("specific", (2,))
    (logged,) = read_audit(registry)[0]
    assert (logged.verb, logged.version, logged.reason, logged.outcome) == ("promote", 2, "first", "done")
    assert logged.before["labels"] == {}
    assert logged.after["labels"] == {"stable": 2}


def test_other_models_of_the_file_stay_as_they_are(registry: Registry) -> None:
    registry.config_file.write_text(
        'model_config_list { config { name: "other" base_path: "/elsewhere" model_platform: "tensorflow"\n'
        "  model_version_policy { all {} } logging_config { sampling_config { sampling_rate: 0.5 } } } }\n"
    )
    promote_version(registry, 1, ALONE)
    text = registry.config_file.read_text()
    assert "sampling_rate: 0.5" in text
    assert [(m.name, m.policy.kind) for m in read_models_config(registry.config_file)] == [
        ("other", "all"),
        ("eoseg", "specific"),
    ]


def test_promote_canary_promote_roll_back_under_load_fails_no_request(registry: Registry, start_server: Start) -> None:
    promote_version(registry, 1, ALONE)
    first, second = start_server(registry), start_server(registry)
    servers = told(first, second)
    with load(first, "stable") as failed:
        set_canary(registry, 3, 10, servers)
        for server in (first, second):
            assert (answered_by(server, "stable"), answered_by(server, "canary")) == (1, 3)
        canary = read_canary(registry)
        assert canary is not None
        assert (canary.version, canary.percent) == (3, 10)

        promote_version(registry, 3, servers)
        for server in (first, second):
            assert (answered_by(server, "stable"), answered_by(server, "previous")) == (3, 1)
        assert read_canary(registry) is None
        assert labels(registry) == {"stable": 3, "previous": 1}

        promote_version(registry, 2, servers, reason="a mistake")
        wait_for(lambda: available(first) == available(second) == {2, 3})

        roll_back_stable(registry, servers)
        assert answered_by(first, "stable") == 3
        roll_back_stable(registry, servers)  # version 1 was let go, and is loaded again
        assert answered_by(second, "stable") == 1
        wait_for(lambda: available(first) == available(second) == {1})
    assert failed == []
    entries, flaws = read_audit(registry)
    assert flaws == []
    assert stable_history(entries) == [1]
    with pytest.raises(RegistryError, match="no version to go back to"):
        roll_back_stable(registry, servers)


def test_a_version_that_cannot_be_loaded_leaves_file_and_servers_as_they_were(
    registry: Registry, start_server: Start
) -> None:
    promote_version(registry, 1, ALONE)
    server = start_server(registry)
    before = registry.config_file.read_text()
    shutil.copytree(registry.version_folder(3), registry.version_folder(4))
    truncate(registry.version_folder(4))
    with load(server, "stable") as failed:
        for _ in range(2):  # the second time its failure stands in the server's states already
            with pytest.raises(RegistryError, match="version 4 cannot be loaded"):
                promote_version(registry, 4, told(server))
            assert registry.config_file.read_text() == before
            assert answered_by(server, "stable") == 1
    assert failed == []
    assert available(server) == {1}
    assert not (registry.own / change.PENDING_FILE).exists()
    assert [entry.outcome.partition(":")[0] for entry in read_audit(registry)[0]] == ["done", "undone", "undone"]
    promote_version(registry, 2, told(server))
    assert answered_by(server, "stable") == 2


def test_a_version_that_failed_once_can_be_promoted_when_it_was_repaired(
    registry: Registry, start_server: Start
) -> None:
    promote_version(registry, 1, ALONE)
    server = start_server(registry)
    graph = registry.version_folder(2) / "saved_model.pb"
    whole = graph.read_bytes()
    truncate(registry.version_folder(2))
    with pytest.raises(RegistryError, match="cannot be loaded"):
        promote_version(registry, 2, told(server))
    graph.write_bytes(whole)
    promote_version(registry, 2, told(server))
    assert answered_by(server, "stable") == 2


def test_one_of_two_servers_that_does_not_answer_stops_the_change_before_it_begins(
    registry: Registry, start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.server_control._RETRY_SECONDS", 0.5)
    promote_version(registry, 1, ALONE)
    server, gone = start_server(registry), start_server(registry)
    gone.stop()
    before = registry.config_file.read_text()
    with pytest.raises(CallError, match="UNAVAILABLE"):
        promote_version(registry, 2, told(server, gone))
    assert registry.config_file.read_text() == before
    assert available(server) == {1}


def test_a_server_that_was_started_on_the_folder_takes_its_first_labels(
    registry: Registry, start_server: Start
) -> None:
    server = start_server(registry)  # no models.config: it serves the newest, 3
    with SegmentationClient(server.address) as newest:
        assert newest.version == 3
    promote_version(registry, 1, told(server))
    assert answered_by(server, "stable") == 1
    wait_for(lambda: available(server) == {1})


def test_a_broken_newest_version_does_not_take_the_one_that_serves_along(
    registry: Registry, start_server: Start
) -> None:
    server = start_server(registry)
    shutil.copytree(registry.version_folder(3), registry.version_folder(4))
    truncate(registry.version_folder(4))
    time.sleep(0.5)
    loaded_while: list[set[int]] = []
    promote_version(registry, 2, told(server), say=lambda _: loaded_while.append(available(server)))
    assert {2, 3} <= loaded_while[0]
    assert answered_by(server, "stable") == 2


def test_a_server_that_polls_the_file_agrees_at_every_step(registry: Registry, start_server: Start) -> None:
    promote_version(registry, 1, ALONE)
    server = start_server(registry, model_config_file_poll_wait_seconds=1)
    with load(server, "stable") as failed:
        promote_version(registry, 2, told(server))
        time.sleep(1.5)
        set_canary(registry, 3, 5, told(server))
        withdraw_canary(registry, told(server))
        time.sleep(1.5)
        assert answered_by(server, "stable") == 2
    assert failed == []


class Killed(BaseException):
    """The process dies here: nothing after it runs, not even what would undo the change."""


STEPS = range(1, 7)


@pytest.mark.parametrize("step", STEPS)
def test_a_change_that_is_killed_between_two_writes_is_finished_or_undone_by_the_next(
    step: int, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_version(registry, 1, ALONE)
    set_canary(registry, 3, 10, ALONE)
    written = 0
    originals = {name: getattr(change, name) for name in ("write_whole", "write_canary", "append_entry")}

    def dying(name: str) -> Callable[..., None]:
        def write(*arguments: object) -> None:
            nonlocal written
            written += 1
            if written == step:
                raise Killed
            originals[name](*arguments)

        return write

    with monkeypatch.context() as patched:
        for name in originals:
            patched.setattr(change, name, dying(name))
        patched.setattr(change, "_undo", lambda *_: (_ for _ in ()).throw(Killed()))  # a kill undoes nothing
        with pytest.raises(Killed):
            promote_version(registry, 3, ALONE)
    # Whatever was killed: every label is one of a version that the same file has served.
    between = entry(registry)
    assert set(between.labels.values()) <= between.served(registry.versions)
    with registry_lock(registry, "test"):
        finish_interrupted(registry)
    after = (labels(registry), read_canary(registry) is not None)
    undone = ({"stable": 1, "canary": 3}, True)
    finished = ({"stable": 3, "previous": 1}, False)
    assert after == (undone if step <= 3 else finished)
    outcomes = [entry.outcome.partition(":")[0] for entry in read_audit(registry)[0]]
    if step > 1:
        assert outcomes == ["done", "done", "undone" if step <= 3 else "done"]
    assert not (registry.own / change.PENDING_FILE).exists()


@pytest.mark.parametrize("reload", [1, 2, 3])
def test_a_change_that_is_killed_while_it_tells_the_server_costs_no_request(
    reload: int, registry: Registry, start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the server is told to load (1), to move the label (2), to let go what is not needed (3)."""
    promote_version(registry, 1, ALONE)
    server = start_server(registry)
    told_so_far = 0
    original = ServerControl.reload

    def dying(self: ServerControl, text: str) -> None:
        nonlocal told_so_far
        told_so_far += 1
        if told_so_far == reload:
            raise Killed
        original(self, text)

    with load(server, "stable") as failed:
        with monkeypatch.context() as patched:
            patched.setattr(ServerControl, "reload", dying)
            patched.setattr(change, "_undo", lambda *_: (_ for _ in ()).throw(Killed()))
            with pytest.raises(Killed):
                promote_version(registry, 2, told(server))
        assert answered_by(server, "stable") == (1 if reload < 3 else 2)
        between = entry(registry)
        assert set(between.labels.values()) <= between.served(registry.versions)
        again = start_server(registry)  # a server that starts on what was left serves the label's version
        wait_for(lambda: between.labels["stable"] in available(again))  # its port opens with the first version
        assert answered_by(again, "stable") == between.labels["stable"]
        promote_version(registry, 3, told(server, again))
        assert answered_by(server, "stable") == answered_by(again, "stable") == 3
    assert failed == []


def test_a_server_that_is_started_on_the_folder_can_be_told_what_is_registered(registry: Registry) -> None:
    plain = ServedModel(name="eoseg", base_path=str(registry.folder))
    assert as_registered(plain) == plain
    promote_version(registry, 1, ALONE)
    promote_version(registry, 2, ALONE)
    served = as_registered(plain)
    assert (served.policy.versions, served.labels) == ((1, 2), {"stable": 2, "previous": 1})


def test_a_server_goes_back_to_the_file_that_it_polls(registry: Registry, start_server: Start, tmp_path: Path) -> None:
    """As servers in a cluster do, whose file is a ConfigMap: docs/cluster.md."""
    promote_version(registry, 1, ALONE)
    server = start_server(registry, model_config_file_poll_wait_seconds=1)
    elsewhere = registry_of(registry.folder, config_file=tmp_path / "other.config")
    elsewhere.config_file.write_text(registry.config_file.read_text())
    promote_version(elsewhere, 2, told(server))
    wait_for(lambda: answered_by(server, "stable") == 1)
    assert labels(registry) == {"stable": 1}
