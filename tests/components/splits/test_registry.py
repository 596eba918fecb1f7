"""The registry keeps what it has, is read back as written, and is refused where it cannot be trusted."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.splits.registry import Registry, load_registry, save_registry
from components.tile_source import SPLITS, Split

ids = st.sampled_from(["a", "b", "c", "d"]) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
splits_of_tiles = st.dictionaries(ids, st.sampled_from(SPLITS))


@given(splits_of_tiles, st.none() | st.integers(16, 4096))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, splits: dict[str, Split], size: int | None
) -> None:
    path = tmp_path_factory.mktemp("registry") / "splits.json"
    save_registry(path, Registry(splits, size))
    assert load_registry(path) == Registry(splits, size)


@given(splits_of_tiles, splits_of_tiles)
def test_known_tiles_never_move(known: dict[str, Split], wanted: dict[str, Split]) -> None:
    merged = Registry(known).with_new(wanted).splits
    assert {tile: merged[tile] for tile in known} == known
    assert set(merged) == set(known) | set(wanted)


def test_each_tile_is_a_line_of_its_own_in_order(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    save_registry(path, Registry({"b": "train", "ä": "test", "a": "eval"}))
    assert path.read_text(encoding="utf-8").splitlines()[4:-1] == [
        '  "tiles": {',
        '    "a": "eval",',
        '    "b": "train",',
        '    "ä": "test"',
        "  }",
    ]
    assert [file.name for file in path.parent.iterdir()] == ["splits.json"]


def test_no_file_is_an_empty_registry(tmp_path: Path) -> None:
    assert load_registry(tmp_path / "none.json") == Registry()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be used as split registry"),
        ("[]", "not marked as"),
        (json.dumps({"format": "eoseg split registry", "version": 2, "tiles": {}}), "of version 2"),
        (json.dumps({"format": "eoseg split registry", "version": 1, "tiles": []}), "no mapping"),
        (json.dumps({"format": "eoseg split registry", "version": 1, "tiles": {"a": "val"}}), "tile a is in .* 'val'"),
        ('{"format": "eoseg split registry", "version": 1, "tiles": {"a": "eval", "a": "test"}}', "'a' is in it twice"),
    ],
)
def test_a_damaged_registry_is_refused_with_a_remedy(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_registry(path)
    assert str(path) in caught.value.problem
    assert caught.value.remedy


def test_a_folder_that_is_not_there_is_refused_before_any_tile_is_dealt(tmp_path: Path) -> None:
    """A typing error in the path would else begin a new registry."""
    path = tmp_path / "splts" / "splits.json"
    for act in (load_registry, lambda path: save_registry(path, Registry({"a": "train"}))):
        with pytest.raises(ConfigError, match=f"not there: {path.parent}") as caught:
            act(path)
        assert "data.split_registry" in caught.value.remedy
    assert not path.parent.exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "splits.json").mkdir()
    with pytest.raises(ConfigError, match=r"splits\.json cannot be written"):
        save_registry(tmp_path / "splits.json", Registry())
    assert [file.name for file in tmp_path.iterdir()] == ["splits.json"]
