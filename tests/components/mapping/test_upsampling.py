import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.mapping.upsampling import RowUpsampler, first_coarse_row, interpolation


def test_fine_pixels_lie_between_the_centres_of_coarse_ones() -> None:
    lower, weight = interpolation(6, 3, 2)  # centres at -0.25 -> 0, 0.25, 0.75, 1.25, 1.75, 2.25 -> 2
    np.testing.assert_allclose(lower + weight, [0, 0.25, 0.75, 1.25, 1.75, 2])


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 5), st.integers(0, 4), st.data())
def test_strips_give_the_interpolation_of_the_whole(
    coarse_height: int, coarse_width: int, factor: int, left_over: int, data: st.DataObject
) -> None:
    shape = (coarse_height * factor + left_over % factor, coarse_width * factor + left_over % factor)
    coarse = np.random.default_rng(0).random((2, coarse_height, coarse_width), np.float32)
    # np.interp holds the ends, as interpolation at pixel centres does.
    rows, cols = ((np.arange(shape[axis]) + 0.5) / factor - 0.5 for axis in (0, 1))
    across = np.stack([[np.interp(cols, np.arange(coarse_width), line) for line in plane] for plane in coarse])
    whole = np.stack([[np.interp(rows, np.arange(coarse_height), line) for line in plane.T] for plane in across])
    first_row = data.draw(st.integers(0, shape[0] - 1))
    top = first_coarse_row(first_row, coarse_height, factor)
    cuts = sorted(data.draw(st.lists(st.integers(0, coarse_height - top), max_size=4)))
    stepwise = RowUpsampler(shape, (coarse_height, coarse_width), factor, first_row)
    strips = [fine for part in np.split(coarse[:, top:], cuts, axis=1) for fine in stepwise.add(part)]
    np.testing.assert_allclose(np.concatenate(strips, axis=1), whole.transpose(0, 2, 1)[:, first_row:], atol=1e-6)
