"""Retirement: what is needed stays, whatever happens; what goes, goes whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.embedded.server import EmbeddedServer
from serving.served_model import VersionPolicy
from serving.versions import retire as retire_module
from serving.versions.audit import read_audit
from serving.versions.canary_state import Canary
from serving.versions.change import ServerOptions
from serving.versions.model_entry import ModelEntry
from serving.versions.operations import promote_version, set_canary
from serving.versions.registry import Registry, registry_of
from serving.versions.registry_error import RegistryError
from serving.versions.retire import retirable, retire

from .conftest import told

ALONE = ServerOptions()
numbers = st.integers(1, 12)
policies = st.one_of(
    st.integers(1, 4).map(lambda n: VersionPolicy(num_versions=n)),
    st.just(VersionPolicy(kind="all")),
    st.sets(numbers, min_size=1).map(lambda v: VersionPolicy(kind="specific", versions=tuple(sorted(v)))),
)


@given(
    there=st.sets(numbers),
    policy=policies,
    labels=st.dictionaries(st.sampled_from(["stable", "previous", "canary", "mine"]), numbers),
    on_trial=st.none() | numbers,
    serving=st.sets(numbers),
    keep=st.integers(0, 13),
)
def test_what_may_go_is_old_unlabelled_unconfigured_and_not_loaded(
    there: set[int],
    policy: VersionPolicy,
    labels: dict[str, int],
    on_trial: int | None,
    serving: set[int],
    keep: int,
) -> None:
    canary = None if on_trial is None else Canary(version=on_trial, percent=1, since="2026-01-01T00:00:00Z")
    going = set(retirable(sorted(there), ModelEntry(policy=policy, labels=labels), canary, serving, keep))
    assert going <= there
    assert not going & (set(labels.values()) | policy.aspired(there) | serving | {on_trial})
    for version in going:
        assert sum(other > version for other in there) >= keep
    for version in there - going:  # and nothing else is held
        is_new = sum(other > version for other in there) < keep
        is_needed = version in set(labels.values()) | policy.aspired(there) | serving | {on_trial}
        assert is_new or is_needed


@pytest.fixture
def five(tmp_path: Path) -> Registry:
    for version in range(1, 6):
        folder = tmp_path / "served" / "eoseg" / str(version)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"a graph")
    return registry_of(tmp_path / "served" / "eoseg")


def test_labelled_versions_outlive_newer_ones(five: Registry) -> None:
    promote_version(five, 1, ALONE)
    promote_version(five, 2, ALONE)
    assert retire(five, ALONE, keep=1) == [3, 4]
    assert five.versions == [1, 2, 5]
    assert [entry.version for entry in read_audit(five)[0] if entry.verb == "retire"] == [3, 4]
    assert list((five.own / "retired").iterdir()) == []


def test_a_dry_run_changes_nothing(five: Registry) -> None:
    promote_version(five, 5, ALONE)
    before = len(read_audit(five)[0])
    assert retire(five, ALONE, keep=2, dry_run=True) == [1, 2, 3]
    assert five.versions == [1, 2, 3, 4, 5]
    assert len(read_audit(five)[0]) == before


def test_of_versions_that_are_named_none_goes_where_one_is_needed(five: Registry) -> None:
    promote_version(five, 2, ALONE)
    set_canary(five, 3, 10, ALONE)
    for needed in (2, 3, 9):
        with pytest.raises(RegistryError, match=f"version {needed} of"):
            retire(five, ALONE, versions=[1, needed])
        assert five.versions == [1, 2, 3, 4, 5]
    assert retire(five, ALONE, versions=[1, 4]) == [1, 4]


@pytest.mark.parametrize("options", [{}, {"keep": 1, "versions": [1]}, {"keep": 0}, {"keep": -1}])
def test_neither_everything_nor_nothing_is_retired_by_mistake(options: dict, five: Registry) -> None:
    with pytest.raises(RegistryError):
        retire(five, ALONE, **options)
    assert five.versions == [1, 2, 3, 4, 5]


def test_without_models_config_the_newest_stays_and_with_policy_all_everything(five: Registry) -> None:
    assert retire(five, ALONE, keep=1) == [1, 2, 3, 4]
    five.config_file.write_text(
        f'model_config_list {{ config {{ name: "eoseg" base_path: "{five.folder}"\n'
        "  model_version_policy { all {} } } }\n"
    )
    shutil.copytree(five.version_folder(5), five.version_folder(4))
    assert retire(five, ALONE, keep=1) == []


def test_a_retirement_that_is_killed_before_its_log_is_completed_by_the_next(
    five: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_version(five, 5, ALONE)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retire_module, "log_change", killed)
        with pytest.raises(KeyboardInterrupt):
            retire(five, ALONE, keep=1)
    assert five.versions == [2, 3, 4, 5]  # whole, or gone
    assert retire(five, ALONE, keep=1) == [2, 3, 4]
    logged = [
        (entry.version, entry.outcome.partition(":")[0]) for entry in read_audit(five)[0] if entry.verb == "retire"
    ]
    assert logged == [(1, "done"), (2, "done"), (3, "done"), (4, "done")]
    assert list((five.own / "retired").iterdir()) == []


def test_what_a_server_has_loaded_stays(registry: Registry, start_server: Callable[..., EmbeddedServer]) -> None:
    server = start_server(registry)  # on the folder: it serves 3, whatever models.config says later
    promote_version(registry, 1, ALONE)
    assert retire(registry, told(server), keep=1) == [2]
    assert registry.versions == [1, 3]
    shutil.rmtree(registry.version_folder(1))


def test_a_broken_newest_version_does_not_count_as_the_one_that_is_kept(five: Registry) -> None:
    """Without `models.config` servers serve the version before it, and it may be on its way in."""
    newest = five.versions[-1]
    (five.version_folder(newest) / "saved_model.pb").unlink()
    retire(five, ALONE, keep=1)
    assert five.versions == [newest - 1, newest]


def test_a_disk_too_full_for_the_log_gets_its_room_from_what_is_retired(
    five: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = retire_module.log_change

    def needs_room(registry: Registry, verb: str, version: int | None, *rest: Any) -> None:
        if any(path.is_file() for path in (registry.own / retire_module.ASIDE).rglob("*")):
            raise RegistryError("no room", "", "")
        log(registry, verb, version, *rest)

    monkeypatch.setattr(retire_module, "log_change", needs_room)
    assert retire(five, ALONE, keep=2) == [1, 2, 3]
    assert [entry.version for entry in read_audit(five)[0]] == [1, 2, 3]
    assert five.versions == [4, 5]
