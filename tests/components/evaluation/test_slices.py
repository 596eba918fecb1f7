"""Slices, and the list of the worst windows."""

import numpy as np
import pytest
from hypothesis import given

from components.errors import DataError
from components.evaluation.counts import ERODED, CountingOptions, EvaluationCounts, Unit
from components.evaluation.slices import (
    slices_by_group,
    slices_by_presence,
    slices_by_tile,
    slices_by_zone,
    worst_windows,
)
from components.geo.window import Window
from tests.components.evaluation.make_counts import drawn_counts, make_counts

# blocks of 16 pixels: tile a of 30 x 40 has 2 x 3 blocks
COUNTS = make_counts(
    {
        Unit("a", 0, 0): [[200, 56], [0, 0]],
        Unit("a", 0, 1): [[0, 0], [56, 200]],
        Unit("a", 0, 2): [[60, 68], [0, 0]],  # 16 x 8 pixels
        Unit("a", 1, 0): [[0, 0], [0, 0]],
        Unit("a", 1, 1): [[0, 10], [0, 0]],  # 10 of 14 x 16 pixels are labelled
        Unit("b", 0, 0): [[100, 0], [0, 156]],
    }
)
SHAPES = {"a": (30, 40), "b": (16, 16)}


def test_slices_by_tile_zone_and_group() -> None:
    tiles = slices_by_tile(COUNTS)
    assert {name: places.tolist() for name, places in tiles.items()} == {"a": [0, 1, 2, 3, 4], "b": [5]}
    np.testing.assert_array_equal(COUNTS.confusion[tiles["a"]].sum(axis=0), [[260, 134], [56, 200]])
    assert slices_by_zone(COUNTS)["a/r0c2"].tolist() == [2]
    assert slices_by_group(COUNTS, {"a": "test", "b": "test"})["test"].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(DataError, match="tile b has no group"):
        slices_by_group(COUNTS, {"a": "test"})


def test_slices_by_presence_go_by_the_truth() -> None:
    found = slices_by_presence(COUNTS, ("roof", "lawn"))
    assert {name: places.tolist() for name, places in found.items()} == {
        "with/roof": [0, 2, 4, 5],
        "with/lawn": [1, 5],
        "without/roof": [1],
        "without/lawn": [0, 2, 4],
    }


@given(drawn_counts())
def test_slices_by_zone_and_tile_hold_each_unit_once(counts: EvaluationCounts) -> None:
    for slices in (slices_by_zone(counts), slices_by_tile(counts)):
        places = [place for part in slices.values() for place in part.tolist()]
        assert sorted(places) == list(range(len(counts.units)))
    for name in ("a", "b", "c"):
        slices = slices_by_presence(counts, ("a", "b", "c"))
        assert not set(slices.get(f"with/{name}", [])) & set(slices.get(f"without/{name}", []))


def test_the_worst_windows_come_first_and_ties_by_place() -> None:
    found = worst_windows(COUNTS, SHAPES)
    assert [(worst.tile, worst.window, worst.errors, worst.pixels) for worst in found] == [
        ("a", Window(0, 32, 16, 8), 68, 128),  # half of a block, and 68 / 128 wrong
        ("a", Window(0, 0, 16, 16), 56, 256),
        ("a", Window(0, 16, 16, 16), 56, 256),
    ]
    assert found[0].error_share == 68 / 128
    assert worst_windows(COUNTS, SHAPES, 1) == found[:1]


def test_hardly_labelled_blocks_count_only_if_asked_for() -> None:
    found = worst_windows(COUNTS, SHAPES, labelled_share=0)
    assert (found[0].window, found[0].errors, found[0].pixels) == (Window(16, 16, 14, 16), 10, 10)


def test_the_eroded_view_has_its_own_list() -> None:
    # half of [[200, 56]] and of [[60, 68]]
    found = worst_windows(COUNTS, SHAPES, view=ERODED)
    assert [(worst.errors, worst.pixels) for worst in found] == [(34, 64), (28, 128), (28, 128)]


def test_a_tile_smaller_than_a_block_and_a_tile_as_one_unit_can_be_the_worst() -> None:
    small = make_counts({Unit("s"): [[10, 15], [0, 0]]})
    assert worst_windows(small, {"s": (5, 5)})[0].window == Window(0, 0, 5, 5)
    whole = make_counts({Unit("s"): [[10, 15], [0, 0]]}, CountingOptions(block_px=None))
    assert worst_windows(whole, {"s": (5, 7)})[0].window == Window(0, 0, 5, 7)


def test_worst_windows_do_not_overlap() -> None:
    found = worst_windows(COUNTS, SHAPES, labelled_share=0)
    for i, one in enumerate(found):
        assert all(one.tile != other.tile or one.window.intersection(other.window) is None for other in found[:i])


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="size of tile b"):
        worst_windows(COUNTS, {"a": (30, 40)})
    with pytest.raises(DataError, match="outside its tile"):
        worst_windows(COUNTS, {"a": (16, 40), "b": (16, 16)})


def test_errors_at_an_ignored_class_make_no_window_worst() -> None:
    counts = make_counts({Unit("a", 0, 0): [[200, 0], [56, 0]], Unit("b", 0, 0): [[200, 56], [0, 0]]})
    found = worst_windows(counts, {"a": (16, 16), "b": (16, 16)}, ignored_ids=(1,))
    assert [(worst.tile, worst.pixels, worst.errors) for worst in found] == [("b", 256, 56)]
