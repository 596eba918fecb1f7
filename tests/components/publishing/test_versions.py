"""Versions appear whole or not at all."""

import json
import shutil
from pathlib import Path

import pytest

from components.errors import PublishingError
from components.publishing import versions
from components.publishing.versions import PROVENANCE_FILE, STAGING_PREFIX, push_version, version_numbers


def make_saved_model(folder: Path, content: str = "graph") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text("weights")
    return folder


def test_a_version_is_pushed_with_its_extra_files_and_its_provenance(tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    (extra / "assets.extra").mkdir(parents=True)
    (extra / "assets.extra" / "warm").write_text("x")
    number = push_version(make_saved_model(tmp_path / "m"), tmp_path / "served/net", {"run": "r1"}, extra)
    folder = tmp_path / "served/net" / str(number)
    assert (folder / "saved_model.pb").read_text() == "graph"
    assert (folder / "assets.extra/warm").exists()
    assert json.loads((folder / PROVENANCE_FILE).read_text())["run"] == "r1"
    assert version_numbers(tmp_path / "served/net") == [number]


def test_a_newer_model_gets_a_higher_number_even_within_the_same_second(tmp_path: Path) -> None:
    first = push_version(make_saved_model(tmp_path / "a", "one"), tmp_path / "s", {})
    second = push_version(make_saved_model(tmp_path / "b", "two"), tmp_path / "s", {})
    assert second > first


def test_pushing_the_latest_model_again_adds_nothing(tmp_path: Path) -> None:
    model = make_saved_model(tmp_path / "m")
    first = push_version(model, tmp_path / "s", {})
    assert push_version(model, tmp_path / "s", {}) == first
    assert version_numbers(tmp_path / "s") == [first]


def test_a_push_that_dies_before_the_rename_leaves_no_version_and_the_next_one_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, served = make_saved_model(tmp_path / "m"), tmp_path / "s"

    def die(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(versions, "_flush", die)
        with pytest.raises(KeyboardInterrupt):
            push_version(model, served, {})
    assert version_numbers(served) == []
    assert all(child.name.startswith(STAGING_PREFIX) for child in served.iterdir())
    number = push_version(model, served, {})
    assert [child.name for child in served.iterdir()] == [str(number)]


def test_a_model_without_a_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match=r"no saved_model\.pb"):
        push_version(tmp_path, tmp_path / "s", {})


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishingError, match=r"cannot be written to .*file"):
        push_version(make_saved_model(tmp_path / "m"), tmp_path / "file" / "net", {})


def test_folders_that_are_no_versions_are_not_counted(tmp_path: Path) -> None:
    for name in ("1", "12", ".staging-13", "latest"):
        (tmp_path / name).mkdir()
    shutil.rmtree(tmp_path / "1")
    assert version_numbers(tmp_path) == [12]
