from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.embedded.status import StatusError
from serving.embedded.version_policy import Action, VersionView, list_versions, next_action, parse_version
from serving.served_model import ServedModel


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1),
        ("00000123", 123),
        ("5.tmp", None),
        ("v5", None),
        ("", None),
        ("-3", -3),
        ("9" * 30, None),
        ("1_0", None),
    ],
)
def test_only_whole_numbers_are_versions(name: str, version: int | None) -> None:
    assert parse_version(name) == version


def test_versions_are_the_numbered_children(tmp_path: Path) -> None:
    for name in ("1", "00000002", "notes", "3.part"):
        (tmp_path / name).mkdir()
    (tmp_path / "5").write_text("a file counts, too")
    found = list_versions(ServedModel(name="m", base_path=str(tmp_path)))
    assert found == {1: f"{tmp_path}/1", 2: f"{tmp_path}/00000002", 5: f"{tmp_path}/5"}


def test_a_missing_base_path_is_an_error_not_an_empty_model(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="Could not find base path"):
        list_versions(ServedModel(name="m", base_path=f"{tmp_path}/nothing"))


@pytest.mark.parametrize(
    ("views", "action"),
    [
        ([], None),
        ([VersionView(1, "new", True)], Action("load", 1)),
        ([VersionView(1, "new", True), VersionView(2, "new", True)], Action("load", 2)),
        # The new one loads before the old one goes ...
        ([VersionView(1, "ready", False), VersionView(2, "new", True)], Action("load", 2)),
        ([VersionView(1, "ready", False), VersionView(2, "busy", True)], None),
        ([VersionView(1, "ready", False), VersionView(2, "ready", True)], Action("unload", 1)),
        # ... and stays if the new one fails.
        ([VersionView(1, "ready", False), VersionView(2, "failed", True)], None),
        ([VersionView(1, "ready", False)], Action("unload", 1)),
        # More than one unwanted: the lowest goes first, one is kept.
        (
            [VersionView(1, "ready", False), VersionView(2, "ready", False), VersionView(3, "new", True)],
            Action("unload", 1),
        ),
    ],
)
def test_one_step_at_a_time(views: list[VersionView], action: Action | None) -> None:
    assert next_action(views) == action


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9), min_size=1))
def test_a_model_with_a_wanted_version_always_serves_one(old: set[int], new: set[int]) -> None:
    phases: dict[int, str] = dict.fromkeys(old, "ready")
    phases.update(dict.fromkeys(new - old, "new"))
    for _ in range(50):
        views = [VersionView(v, phase, v in new) for v, phase in phases.items()]  # type: ignore[arg-type]
        action = next_action(views)
        if action is None:
            break
        if action.verb == "load":
            phases[action.version] = "ready"
        else:
            del phases[action.version]
        assert not old or "ready" in phases.values()
    assert phases == dict.fromkeys(new, "ready")
