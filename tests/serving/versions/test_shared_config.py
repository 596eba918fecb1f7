"""Several models in one `models.config`: no change of one model takes back what was changed of another."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import ConfigError
from serving.deploy.models_config import read_models_config
from serving.versions import change
from serving.versions.change import ServerOptions, finish_interrupted
from serving.versions.lock import config_lock, registry_lock
from serving.versions.operations import promote_version
from serving.versions.registry import Registry, registry_of
from serving.versions.registry_error import RegistryError

ALONE = ServerOptions()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Registry, Registry]:
    """Two models with versions 1 and 2 each, in one folder with one `models.config`."""
    found = []
    for name in ("fields", "roofs"):
        for version in ("1", "2"):
            folder = tmp_path / "served" / name / version
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").write_bytes(b"a graph")
        found.append(registry_of(tmp_path / "served" / name))
    return found[0], found[1]


def labels(registry: Registry) -> dict[str, dict[str, int]]:
    return {model.name: dict(model.labels) for model in read_models_config(registry.config_file)}


def test_two_models_of_one_file_are_not_changed_at_the_same_time(two: tuple[Registry, Registry]) -> None:
    fields, roofs = two
    message = r"models\.config is being changed by .+ with `versions promote of fields`"
    with config_lock(fields, "versions promote"), pytest.raises(RegistryError, match=message):
        promote_version(roofs, 1, ALONE)
    promote_version(roofs, 1, ALONE)
    promote_version(fields, 2, ALONE)
    assert labels(fields) == {"roofs": {"stable": 1}, "fields": {"stable": 2}}


def test_a_model_of_another_file_does_not_wait(two: tuple[Registry, Registry], tmp_path: Path) -> None:
    fields, roofs = two
    shutil.copytree(roofs.folder, tmp_path / "other" / "roofs")
    with config_lock(fields, "versions promote"):
        promote_version(registry_of(tmp_path / "other" / "roofs"), 1, ALONE)


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("first", [True, False], ids=["the file is new", "the file was there"])
@pytest.mark.parametrize(("step", "expected"), [(1, None), (2, 2)])
def test_what_was_changed_of_another_model_since_an_interruption_stays(
    step: int, expected: int | None, first: bool, two: tuple[Registry, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the file was written (1), and before it was logged that it was (2)."""
    fields, roofs = two
    if not first:
        promote_version(fields, 1, ALONE)
    killed: Callable[..., None] = lambda *_: (_ for _ in ()).throw(Killed())  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(change, "_load_and_label" if step == 1 else "_log", killed)
        patched.setattr(change, "_undo", killed)
        with pytest.raises(Killed):
            promote_version(fields, 2, ALONE)
    promote_version(roofs, 2, ALONE)
    with registry_lock(fields, "test"):
        finish_interrupted(fields)
    found = labels(fields)
    assert found["roofs"] == {"stable": 2}
    assert found.get("fields", {}).get("stable") == (expected or (None if first else 1))


def test_an_interrupted_change_gives_a_file_back_with_its_comments(
    two: tuple[Registry, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, _ = two
    text = '# ours\nmodel_config_list { config { name: "roofs" base_path: "/models/roofs" } }\n'
    fields.config_file.write_text(text)
    with monkeypatch.context() as patched:
        patched.setattr(change, "write_canary", lambda *_: (_ for _ in ()).throw(RegistryError("full", "", "")))
        with pytest.raises(RegistryError, match=r"the change is made, .* not written down whole: full"):
            promote_version(fields, 1, ALONE)
    assert labels(fields)["fields"] == {"stable": 1}
    fields.config_file.write_text(text)  # as if it had been killed a moment earlier
    with registry_lock(fields, "test"):
        finish_interrupted(fields)
    assert fields.config_file.read_text() == text


def test_a_copied_folder_whose_file_still_names_the_old_one_is_told(
    two: tuple[Registry, Registry], tmp_path: Path
) -> None:
    fields, _ = two
    promote_version(fields, 1, ALONE)
    shutil.copytree(fields.folder.parent, tmp_path / "copy")
    copied = tmp_path / "copy" / "fields"
    with pytest.raises(ConfigError, match=f"served from {fields.folder}, not from {copied}"):
        promote_version(registry_of(copied), 2, ALONE)
    promote_version(registry_of(copied, served_path=str(copied)), 2, ALONE)
    assert [model.base_path for model in read_models_config(tmp_path / "copy" / "models.config")] == [str(copied)]
    shutil.rmtree(fields.folder)  # what is not on this machine may be a container's
    promote_version(registry_of(copied), 1, ALONE)
