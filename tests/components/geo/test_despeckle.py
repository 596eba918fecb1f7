"""Lee's filter against a direct implementation of the paper's formula, and decibels against their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from components.geo.despeckle import decibels, lee_filter


def _lee_pixel_by_pixel(intensity: NDArray[np.float64], valid: NDArray[np.bool_], size: int, looks: float) -> object:
    """Lee (1980), equations for multiplicative noise of mean 1, one window at a time."""
    half = size // 2
    z = np.pad(intensity, half, mode="symmetric")
    inside = np.pad(valid, half, mode="symmetric")
    out = np.full(intensity.shape, np.nan)
    noise = 1 / looks
    for row, col in np.argwhere(valid):
        window = z[row : row + size, col : col + size][inside[row : row + size, col : col + size]]
        mean = window.mean()
        signal = max(0.0, (window.var() + mean**2) / (1 + noise) - mean**2)
        gain = signal / (mean**2 * noise + signal) if signal > 0 else 0.0
        out[row, col] = mean + gain * (intensity[row, col] - mean)
    return out


@pytest.mark.parametrize(("size", "looks"), [(3, 1), (5, 4), (7, 2.5)])
@pytest.mark.parametrize("holes", [0, 0.3])
def test_the_filter_is_the_papers_formula(size: int, looks: float, holes: float) -> None:
    rng = np.random.default_rng(size)
    edge = np.where(np.arange(21) < 9, 1.0, 6.0)
    intensity = edge * rng.gamma(looks, 1 / looks, (13, 21))
    valid = rng.random(intensity.shape) >= holes
    filtered = lee_filter(np.where(valid, intensity, np.nan), valid, size, looks)
    assert filtered.dtype == np.float32
    np.testing.assert_allclose(filtered, _lee_pixel_by_pixel(intensity, valid, size, looks), rtol=1e-6)


@given(value=st.floats(2**-20, 2**20, width=32), size=st.sampled_from([3, 7]), looks=st.floats(0.5, 50))
@settings(max_examples=50, deadline=None)
def test_a_constant_stays_constant(value: float, size: int, looks: float) -> None:
    filtered = lee_filter(np.full((8, 9), value, np.float32), np.ones((8, 9), np.bool_), size, looks)
    np.testing.assert_array_equal(filtered, np.float32(value))


@pytest.mark.parametrize("looks", [1, 4])
def test_speckle_is_lowered_and_the_mean_is_kept(looks: int) -> None:
    """Over an even ground of 7 x 7 = 49 independent pixels a mean's variance is 1 / 49 of a pixel's."""
    speckle = np.random.default_rng(1).gamma(looks, 1 / looks, (300, 300))
    filtered = lee_filter(speckle, np.ones(speckle.shape, np.bool_), 7, looks)
    assert filtered.mean() == pytest.approx(speckle.mean(), rel=0.01)
    assert 1 / 49 < filtered.var() / speckle.var() < 0.15


def test_a_bright_target_keeps_most_of_its_brightness() -> None:
    scene = np.ones((21, 21))
    scene[10, 10] = 1000
    filtered = lee_filter(scene, np.ones(scene.shape, np.bool_), 7, 4)
    assert filtered[10, 10] > 700
    assert filtered[10, 10] > 3 * scene.mean()


@given(
    intensity=arrays(np.float32, (11, 12), elements=st.floats(0, 2.0**30, width=32)),
    valid=arrays(np.bool_, (11, 12)),
    row=st.integers(0, 8),
    col=st.integers(0, 8),
)
@settings(max_examples=60, deadline=None)
def test_a_pixel_depends_on_its_window_alone_to_the_last_bit(
    intensity: NDArray[np.float32], valid: NDArray[np.bool_], row: int, col: int
) -> None:
    """Cut anywhere, pixels whose 5 x 5 windows lie inside the cut are the same as in the whole."""
    whole = lee_filter(intensity, valid, 5, 2)
    cut = lee_filter(intensity[row:, col:], valid[row:, col:], 5, 2)
    top, left = (2 if row else 0), (2 if col else 0)
    np.testing.assert_array_equal(cut[top:, left:], whole[row + top :, col + left :])


def test_holes_stay_holes_and_lend_no_value() -> None:
    intensity = np.array([[1, 1, np.nan, 1, 1]] * 3, np.float32)
    filtered = lee_filter(intensity, np.isfinite(intensity), 3, 1)
    np.testing.assert_array_equal(filtered, intensity)


def test_decibels_follow_their_definition() -> None:
    values = np.array([1, 10, 0.001, 2], np.float32)
    np.testing.assert_allclose(decibels(values, "intensity"), [0, 10, -30, 10 * math.log10(2)], rtol=1e-6)
    np.testing.assert_allclose(decibels(-values, "amplitude"), [0, 20, -60, 20 * math.log10(2)], rtol=1e-6)


def test_what_has_no_logarithm_is_nan() -> None:
    missing = np.array([0, -1, np.nan], np.float32)
    assert np.isnan(decibels(missing, "intensity")).all()
    assert np.isnan(decibels(missing, "amplitude")).tolist() == [True, False, True]  # 20 log10 |-1| = 0
