import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.upsampling import RowUpsampler, interpolation


def test_fine_pixels_lie_between_the_centres_of_coarse_ones() -> None:
    lower, weight = interpolation(6, 3, 2)  # centres at -0.25 -> 0, 0.25, 0.75, 1.25, 1.75, 2.25 -> 2
    np.testing.assert_allclose(lower + weight, [0, 0.25, 0.75, 1.25, 1.75, 2])


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 4), st.integers(0, 3), st.data())
def test_strips_give_the_same_as_the_whole(
    coarse_height: int, coarse_width: int, factor: int, left_over: int, data: st.DataObject
) -> None:
    shape = (coarse_height * factor + left_over % factor, coarse_width * factor + left_over % factor)
    coarse = np.random.default_rng(0).random((coarse_height, coarse_width, 2), np.float32)
    whole = np.concatenate(list(RowUpsampler(shape, coarse.shape[:2], factor).add(coarse)))
    assert whole.shape == (*shape, 2)
    cuts = sorted(data.draw(st.lists(st.integers(0, coarse_height), max_size=4)))
    stepwise = RowUpsampler(shape, coarse.shape[:2], factor)
    strips = [fine for part in np.split(coarse, cuts) for fine in stepwise.add(part)]
    np.testing.assert_allclose(np.concatenate(strips), whole, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_plane_stays_a_plane_inside(factor: int) -> None:
    rows, cols = np.mgrid[:10, :12].astype(np.float32)
    coarse = (2 * rows + 3 * cols)[..., None]
    fine = np.concatenate(list(RowUpsampler((10 * factor, 12 * factor), (10, 12), factor).add(coarse)))[..., 0]
    inside = fine[factor:-factor, factor:-factor]
    np.testing.assert_allclose(np.diff(inside, axis=0), 2 / factor, atol=1e-4)
    np.testing.assert_allclose(np.diff(inside, axis=1), 3 / factor, atol=1e-4)
