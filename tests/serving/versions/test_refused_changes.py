"""Changes that are refused: two at a time, names that cannot be, what is not there; and how it is logged."""

import threading
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from serving.call_error import CallError
from serving.versions import change
from serving.versions.audit import read_audit
from serving.versions.change import ServerOptions
from serving.versions.lock import registry_lock
from serving.versions.operations import promote_version, set_canary, withdraw_canary
from serving.versions.registry import Registry
from serving.versions.registry_error import RegistryError

from .conftest import ALONE, labels, truncate


def test_a_second_change_at_the_same_time_is_refused_and_told_who_is_at_work(registry: Registry) -> None:
    message = r"being changed by .+@.+ \(process \d+\) with `versions promote`"
    with registry_lock(registry, "versions promote"), pytest.raises(RegistryError, match=message):
        promote_version(registry, 1, ALONE)
    promote_version(registry, 1, ALONE)


def test_a_change_waits_for_the_one_at_work_where_it_is_told_to(registry: Registry) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with registry_lock(registry, "versions retire"):
            held.set()
            free.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.3, free.set).start()
    promote_version(registry, 1, ALONE, wait_seconds=30)
    holder.join()
    assert labels(registry) == {"stable": 1}


def test_what_is_not_there_or_was_altered_is_refused_and_the_refusal_is_logged(registry: Registry) -> None:
    from components.publishing.versions import push_version

    with pytest.raises(RegistryError, match="has no version 9"):
        promote_version(registry, 9, ALONE)
    number = push_version(registry.version_folder(1), registry.folder, {})
    promote_version(registry, number, ALONE)
    pushed_again = push_version(registry.version_folder(2), registry.folder, {})
    truncate(registry.version_folder(pushed_again))
    with pytest.raises(RegistryError, match="is not what was pushed"):
        promote_version(registry, pushed_again, ALONE)
    assert labels(registry) == {"stable": number}
    assert [entry.outcome.partition(":")[0] for entry in read_audit(registry)[0]] == ["refused", "done", "refused"]


@pytest.mark.parametrize("label", ["", "3", "newest", "a b", "a\nb", "-x", "x" * 64])
def test_a_label_that_could_be_taken_for_another_name_is_refused(label: str, registry: Registry) -> None:
    with pytest.raises(RegistryError, match="a letter, then letters"):
        promote_version(registry, 1, ALONE, label=label)
    promote_version(registry, 1, ALONE, label="Küste-2.b")
    assert labels(registry) == {"Küste-2.b": 1}


def test_a_label_is_read_when_no_other_change_is_at_work_any_more(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`promote canary --wait` while `watch` withdraws that canary."""
    promote_version(registry, 1, ALONE)
    set_canary(registry, "newest", 10, ALONE)
    original = change.finish_interrupted

    def withdrawn_meanwhile(found: Registry, say: Callable[[str], None], wait_seconds: float) -> None:
        original(found, say, wait_seconds)
        monkeypatch.setattr("serving.versions.operations.finish_interrupted", original)
        with monkeypatch.context() as patched:
            patched.setattr("serving.versions.operations.registry_lock", lambda *_: nullcontext())
            withdraw_canary(found, ALONE)

    monkeypatch.setattr("serving.versions.operations.finish_interrupted", withdrawn_meanwhile)
    with pytest.raises(RegistryError, match="'canary' names no version"):
        promote_version(registry, "canary", ALONE)
    assert labels(registry) == {"stable": 1}


def test_a_change_that_a_server_which_is_away_refuses_is_logged(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.server_control._RETRY_SECONDS", 0.1)
    with pytest.raises(CallError):
        promote_version(registry, 1, ServerOptions(addresses=("127.0.0.1:1",)))
    (entry,) = read_audit(registry)[0]
    assert entry.outcome.startswith("refused: the model server at 127.0.0.1:1")


def test_provenance_that_cannot_be_read_is_named(registry: Registry) -> None:
    file = registry.version_folder(1) / "assets.extra" / "eoseg_provenance.json"
    file.parent.mkdir(exist_ok=True)
    for text in ("{", "[1]"):
        file.write_text(text)
        with pytest.raises(RegistryError, match=r"eoseg_provenance\.json cannot be read"):
            promote_version(registry, 1, ALONE)


def test_a_lock_whose_holder_cannot_be_written_down_locks_all_the_same(registry: Registry) -> None:
    registry.own.mkdir()
    (registry.own / "lock").symlink_to("/dev/full")
    with registry_lock(registry, "test"), pytest.raises(RegistryError, match="being changed by another process"):
        promote_version(registry, 1, ALONE)
    promote_version(registry, 1, ALONE)
    assert labels(registry) == {"stable": 1}
