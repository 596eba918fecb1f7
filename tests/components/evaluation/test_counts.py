"""Evaluation counts add up, whatever the order, and come back from a file as they were."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.evaluation.counts import ERODED, FULL, CountingOptions, EvaluationCounts, Unit
from components.evaluation.counts_file import from_json, from_npz, to_json, to_npz
from tests.components.evaluation.make_counts import CLASS_COUNT, OPTIONS, drawn_counts, make_counts


@given(drawn_counts(), drawn_counts(), drawn_counts())
def test_addition_has_no_order_and_a_zero(a: EvaluationCounts, b: EvaluationCounts, c: EvaluationCounts) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == EvaluationCounts.sum_of([c, a, b])
    assert a + EvaluationCounts.none(CLASS_COUNT, OPTIONS) == a
    np.testing.assert_array_equal((a + b).confusion.sum(axis=0), a.confusion.sum(axis=0) + b.confusion.sum(axis=0))


def test_the_same_unit_is_added_and_others_stand_beside_it() -> None:
    one = make_counts({Unit("a"): [[1, 2], [3, 4]], Unit("b", 1): [[5, 0], [0, 0]]})
    other = make_counts({Unit("a"): [[10, 0], [0, 0]], Unit("a", 0, 1): [[7, 0], [0, 0]]})
    found = one + other
    assert found.units == (Unit("a"), Unit("a", 0, 1), Unit("b", 1))
    np.testing.assert_array_equal(found.confusion, [[[11, 2], [3, 4]], [[7, 0], [0, 0]], [[5, 0], [0, 0]]])


def test_blocks_become_tiles() -> None:
    counts = make_counts({Unit("a"): [[1, 2], [3, 4]], Unit("a", 3, 1): [[1, 0], [0, 6]], Unit("b"): [[5, 0], [0, 0]]})
    tiles = counts.by_tile()
    assert tiles.units == (Unit("a"), Unit("b"))
    assert tiles.options.block_px is None
    np.testing.assert_array_equal(tiles.matrices(FULL), [[[2, 2], [3, 10]], [[5, 0], [0, 0]]])
    np.testing.assert_array_equal(tiles.matrices(ERODED)[0], [[0, 1], [1, 5]])


@given(drawn_counts())
def test_units_taken_apart_add_up_again(counts: EvaluationCounts) -> None:
    first, second = counts.where(lambda unit: unit.tile == "a"), counts.where(lambda unit: unit.tile != "a")
    assert first + second == counts
    assert set(first.units).isdisjoint(second.units)


@given(drawn_counts())
def test_npz_json_and_pickle_give_back_the_counts(counts: EvaluationCounts) -> None:
    assert from_npz(to_npz(counts)) == counts
    assert from_json(to_json(counts)) == counts
    assert pickle.loads(pickle.dumps(counts)) == counts
    assert to_npz(counts) == to_npz(from_json(to_json(counts)))


def test_json_says_what_it_holds() -> None:
    read = json.loads(to_json(make_counts({Unit("x", 1, 2): [[1, 2], [3, 4]]})))
    assert read["tiles"] == ["x"]
    assert read["units"] == [[0, 1, 2]]
    assert read["confusion"] == [[1, 2, 3, 4]]
    assert read["options"]["block_px"] == 16


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "other"}, "'other'"),
        ({"options": {"blocks": 1}}, "cannot be read"),
        ({"confusion": [[1, 2, 3]]}, "cannot be read"),
        ({"units": [[7, 0, 0]]}, "cannot be read"),
        ({"class_count": None}, "cannot be read"),
    ],
)
def test_a_changed_file_is_refused(change: dict[str, object], says: str) -> None:
    read = json.loads(to_json(make_counts({Unit("x"): [[1, 2], [3, 4]]})))
    with pytest.raises(DataError, match=says):
        from_json(json.dumps(read | change))


@pytest.mark.parametrize("data", [b"", b"PK nothing", b"\x93NUMPY"])
def test_bytes_that_are_no_counts_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"test\.npz cannot be read"):
        from_npz(data, "test.npz")


@pytest.mark.parametrize("text", ["", "[1]", "{}"])
def test_text_that_holds_no_counts_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        from_json(text)


@pytest.mark.parametrize(
    "other", [CountingOptions(block_px=None, bins=4), CountingOptions(block_px=16, bins=4, erosion_px=0)]
)
def test_counts_of_different_options_are_not_added(other: CountingOptions) -> None:
    matrix = {Unit("a"): [[1, 2], [3, 4]]}
    with pytest.raises(ValueError, match="cannot be added"):
        make_counts(matrix) + make_counts(matrix, other)


def test_arrays_that_do_not_fit_the_units_are_refused() -> None:
    arrays = dict(EvaluationCounts.none(2, OPTIONS).arrays)
    with pytest.raises(ValueError, match="1 units need"):
        EvaluationCounts(2, OPTIONS, (Unit("a"),), **arrays)
    twice = make_counts({Unit("a"): [[1, 2], [3, 4]], Unit("b"): [[1, 2], [3, 4]]})
    with pytest.raises(ValueError, match="ascend"):
        EvaluationCounts(2, OPTIONS, (Unit("b"), Unit("a")), **twice.arrays)
    with pytest.raises(ValueError, match="no counts"):
        EvaluationCounts.sum_of([])


@given(st.integers(0, 10), st.integers(0, 10))
def test_the_halo_is_the_larger_of_the_two(erosion: int, tolerance: int) -> None:
    assert CountingOptions(erosion_px=erosion, boundary_px=tolerance).halo == max(erosion, tolerance + 1)
