"""Eroded boundaries against a loop over pixel pairs, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.classes import UNKNOWN_ID, VOID_ID
from components.evaluation.disc import over_disc
from components.evaluation.erosion import erode_boundaries
from components.evaluation.halo import inside, with_halo
from components.geo.window import Window

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)
# Mostly one class, so that something is left after erosion.
LABELS = hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 1, 253, UNKNOWN_ID, VOID_ID]), fill=st.just(0))


def eroded_by_a_loop(truth: np.ndarray, radius: int) -> np.ndarray:
    """The definition, pixel by pixel."""
    result = truth.copy()
    places = [(int(r), int(c)) for r, c in np.argwhere(truth < UNKNOWN_ID)]
    for row, col in places:
        if any(
            truth[r, c] != truth[row, col] and (r - row) ** 2 + (c - col) ** 2 <= radius * radius for r, c in places
        ):
            result[row, col] = VOID_ID
    return result


@given(LABELS, st.integers(0, 5))
def test_erosion_is_what_its_definition_says(truth: np.ndarray, radius: int) -> None:
    np.testing.assert_array_equal(erode_boundaries(truth, radius), eroded_by_a_loop(truth, radius))


def test_a_disc_of_three_pixels_holds_29() -> None:
    # rows of 7, 5, 5 and 1 pixels: 7 + 2 * 5 + 2 * 5 + 2 * 1
    truth = np.zeros((9, 9), np.uint8)
    truth[4, 4] = 1
    eroded = erode_boundaries(truth) == VOID_ID
    assert eroded.sum() == 29
    assert eroded[4, 1:8].all()
    assert eroded[1, 4]
    assert not eroded[1, 3]


def test_a_straight_border_loses_three_pixels_on_each_side() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[:, 10:] = 1
    expected = truth.copy()
    expected[:, 7:13] = VOID_ID
    np.testing.assert_array_equal(erode_boundaries(truth), expected)


def test_neither_the_tile_s_edge_nor_void_is_a_boundary() -> None:
    truth = np.full((20, 20), 3, np.uint8)
    truth[5:9, 5:9] = VOID_ID
    truth[15, 15] = UNKNOWN_ID
    np.testing.assert_array_equal(erode_boundaries(truth), truth)


@given(LABELS, st.integers(0, 4))
def test_eroding_twice_changes_nothing(truth: np.ndarray, radius: int) -> None:
    once = erode_boundaries(truth, radius)
    np.testing.assert_array_equal(erode_boundaries(once, radius), once)


@given(LABELS, st.integers(0, 4), st.data())
def test_windows_with_a_halo_give_what_the_whole_gives(truth: np.ndarray, radius: int, data: st.DataObject) -> None:
    whole = erode_boundaries(truth, radius)
    height, width = truth.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(row, col, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col)))
    outer = with_halo(window, radius, height, width)
    part = erode_boundaries(truth[outer.slices], radius)[inside(window, outer)]
    np.testing.assert_array_equal(part, whole[window.slices])


@given(LABELS, st.sampled_from([2, 3]))
def test_erosion_knows_no_direction(truth: np.ndarray, radius: int) -> None:
    whole = erode_boundaries(truth, radius)
    np.testing.assert_array_equal(erode_boundaries(truth.T, radius), whole.T)
    np.testing.assert_array_equal(erode_boundaries(truth[::-1, ::-1], radius), whole[::-1, ::-1])


def test_a_tile_higher_than_a_strip_is_eroded_as_in_one_piece() -> None:
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (25, 3)), np.ones((9, 9))).astype(np.uint8)
    np.testing.assert_array_equal(erode_boundaries(truth, 3), erode_boundaries(truth.T.copy(), 3).T)


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0 pixels"):
        over_disc(np.zeros((3, 3), np.uint8), -1, np.maximum, 0)


def test_a_window_outside_of_what_was_read_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie in"):
        inside(Window(0, 0, 5, 5), Window(1, 0, 5, 5))
