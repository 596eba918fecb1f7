"""The grid covers every pixel, and its fresh parts cover each exactly once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.geo.grid import Edges, axis_starts, grid_rows
from components.geo.window import Window

SIZES = st.integers(1, 40)


@given(length=st.integers(1, 200), size=SIZES, data=st.data())
def test_windows_along_an_axis_leave_no_gap_and_stay_inside(length: int, size: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, size))
    starts = axis_starts(length, size, stride)
    covered = np.zeros(max(length, size), bool)
    for start in starts:
        covered[start : start + size] = True
    assert covered[:length].all()
    assert starts == sorted(set(starts))
    assert starts[-1] + size <= max(length, size)


@given(length=st.integers(1, 200), size=SIZES, data=st.data())
def test_reflecting_windows_keep_the_stride_and_end_with_the_first_that_reaches_the_end(
    length: int, size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    starts = axis_starts(length, size, stride, "reflect")
    assert starts == [stride * i for i in range(len(starts))]
    assert starts[-1] + size >= length
    assert all(start + size < length for start in starts[:-1])


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    size=st.integers(1, 20),
    edges=st.sampled_from(["shift", "reflect"]),
    data=st.data(),
)
def test_fresh_parts_cover_each_pixel_exactly_once(
    height: int, width: int, size: int, edges: Edges, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    times = np.zeros((height + size, width + size), int)
    for cells in grid_rows(height, width, size, stride, edges):
        for cell in cells:
            rows, cols = cell.window.slices
            times[rows, cols][cell.fresh_row :, cell.fresh_col :] += 1
    assert (times[:height, :width] == 1).all()


def test_the_last_window_is_shifted_back_inside() -> None:
    assert axis_starts(10, 4, 4) == [0, 4, 6]


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves gaps"):
        axis_starts(10, 4, 5)


def test_windows_intersect_or_do_not() -> None:
    assert Window(0, 0, 4, 4).intersection(Window(2, 3, 4, 4)) == Window(2, 3, 2, 1)
    assert Window(0, 0, 4, 4).intersection(Window(4, 0, 1, 1)) is None
    with pytest.raises(ValueError, match="at least 1 x 1"):
        Window(0, 0, 0, 3)
