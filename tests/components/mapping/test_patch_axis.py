import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.mapping.patch_axis import BLENDS, patch_axis, patch_weights, reflected

lengths = st.integers(1, 200)
patch_sizes = st.integers(2, 40)
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75])
blends = st.sampled_from(BLENDS)


@given(lengths, patch_sizes, overlaps, blends)
def test_normalised_weights_sum_to_one_at_every_pixel(length: int, size: int, overlap: float, blend: str) -> None:
    axis = patch_axis(length, size, overlap, blend)
    assert (axis.total > 0).all()
    unity = np.zeros(length)
    for start in axis.starts:
        on_tile, in_patch = axis.inside(start)
        unity[on_tile] += axis.weights[in_patch] / axis.total[on_tile]
    np.testing.assert_allclose(unity, 1, rtol=1e-5)


@given(lengths, patch_sizes, overlaps)
def test_no_patch_lies_wholly_outside_the_tile(length: int, size: int, overlap: float) -> None:
    axis = patch_axis(length, size, overlap, "hann")
    for start in axis.starts:
        on_tile, in_patch = axis.inside(start)
        assert on_tile.start < on_tile.stop
        assert in_patch.stop - in_patch.start == on_tile.stop - on_tile.start


def test_hann_is_symmetric_largest_in_the_middle_and_never_zero() -> None:
    weights = patch_weights(8, (1, 1), "hann")
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-6)
    assert weights.argmax() in (3, 4)
    assert weights[0] == pytest.approx(np.sin(np.pi / 16) ** 2)


def test_centre_cuts_the_margins_off() -> None:
    assert patch_weights(6, (1, 2), "centre").tolist() == [0, 1, 1, 1, 0, 0]


def test_patches_reach_half_an_overlap_past_the_tile() -> None:
    assert patch_axis(24, 16, 0.5, "hann").starts == (-4, 4, 12)


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_an_overlap_out_of_range_is_refused(overlap: float) -> None:
    with pytest.raises(ValueError, match="overlap must be"):
        patch_axis(10, 4, overlap, "hann")


@given(st.integers(2, 30), st.integers(0, 90))
def test_an_axis_is_mirrored_at_both_ends(length: int, distance: int) -> None:
    def index(place: int) -> int:
        return int(reflected(place, place + 1, length)[0])

    assert index(-distance) == index(distance)
    assert index(length - 1 + distance) == index(length - 1 - distance)
    assert index(distance % length) == distance % length


def test_a_single_pixel_fills_everything() -> None:
    assert reflected(-2, 2, 1).tolist() == [0, 0, 0, 0]
