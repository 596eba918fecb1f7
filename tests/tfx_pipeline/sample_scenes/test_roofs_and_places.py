"""Roof shapes, local frames, room on parcels, and fields of noise."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tfx_pipeline.sample_scenes.noise import fractal_noise, smooth_noise
from tfx_pipeline.sample_scenes.painting import Canvas, Painting, Spot
from tfx_pipeline.sample_scenes.plan import Plan, Polygon
from tfx_pipeline.sample_scenes.plot import Plot
from tfx_pipeline.sample_scenes.roof_painter import roof_height
from tfx_pipeline.sample_scenes.spectra import SPECTRA, tinted
from tfx_pipeline.sample_scenes.streets import Street
from tfx_pipeline.sample_scenes.things import Frame, RoofShape, Wing


def heights_at(roof: RoofShape, places: list[tuple[float, float]]) -> list[float]:
    """Roof heights of a wing 12 m x 8 m, eaves at 3 m, pitch 0.5, at (along, across)."""
    along, across = (np.array([place[axis] for place in places], np.float32) for axis in (0, 1))
    wing = Wing(Frame(0, 0, 0), 12.0, 8.0, 3.0, roof, 0.5)
    return [float(height) for height in roof_height(wing, Spot((slice(0), slice(0)), along, across))[0]]


def test_gable_rises_from_the_eaves_to_the_ridge_and_not_along_it() -> None:
    assert heights_at("gable", [(0, 4), (0, 0), (5.9, 0), (0, -2)]) == pytest.approx([3.0, 5.0, 5.0, 4.0])


def test_hip_falls_to_all_four_sides() -> None:
    assert heights_at("hip", [(0, 4), (0, 0), (6, 0), (-5, 0)]) == pytest.approx([3.0, 5.0, 3.0, 3.5])


def test_flat_is_level_and_shed_rises_to_one_side() -> None:
    assert heights_at("flat", [(0, 4), (0, 0)]) == pytest.approx([3.0, 3.0])
    assert heights_at("shed", [(0, -4), (0, 4)]) == pytest.approx([3.0, 7.0])


@pytest.mark.parametrize("roof", ["gable", "hip", "shed", "flat"])
def test_roof_slopes_are_the_differences_of_roof_heights(roof: RoofShape) -> None:
    rng = np.random.default_rng(3)
    along, across = rng.uniform(-5.5, 5.5, 200), rng.uniform(-3.5, 3.5, 200)
    wing, step = Wing(Frame(0, 0, 0), 12.0, 8.0, 3.0, roof, 0.5), 1e-3

    def at(along: NDArray[Any], across: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return roof_height(wing, Spot((slice(0), slice(0)), along, across))

    height, rise_along, rise_across = at(along, across)
    # Close to a ridge or a hip the difference would reach across it.
    clear = (np.abs(across) > 0.1) & (np.abs((6 - np.abs(along)) - (4 - np.abs(across))) > 0.1)
    np.testing.assert_allclose(((at(along + step, across)[0] - height) / step)[clear], rise_along[clear], atol=1e-2)
    np.testing.assert_allclose(((at(along, across + step)[0] - height) / step)[clear], rise_across[clear], atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(
    row=st.floats(2, 18),
    col=st.floats(2, 28),
    angle=st.floats(-math.pi, math.pi),
    along=st.floats(-3, 3),
    across=st.floats(-3, 3),
)
def test_spot_gives_the_local_coordinates_that_the_frame_shifts_by(
    row: float, col: float, angle: float, along: float, across: float
) -> None:
    painting = PAINTING  # only its size matters here, and making one takes a while
    frame = Frame(row, col, angle)
    spot = painting.spot(frame, 8.0, 8.0)
    assert spot is not None
    place = frame.shifted(along, across)
    pixel_row = math.floor(place.row_m / 0.5) - spot.window[0].start
    pixel_col = math.floor(place.col_m / 0.5) - spot.window[1].start
    if 0 <= pixel_row < spot.along.shape[0] and 0 <= pixel_col < spot.along.shape[1]:
        found = spot.along[pixel_row, pixel_col], spot.across[pixel_row, pixel_col]
        assert math.dist(found, (along, across)) < 0.5 * math.sqrt(0.5) + 1e-3  # half a pixel's diagonal
    assert painting.spot(Frame(-50, -50, angle), 8.0, 8.0) is None


PAINTING = Painting(Canvas(40, 60, 0.5), np.random.default_rng(0))


def test_plot_knows_streets_neighbours_and_what_was_claimed() -> None:
    straight = Plan(0.0, ())
    left: Polygon = ((0.0, 0.0), (0.0, 20.0), (40.0, 20.0), (40.0, 0.0))
    right: Polygon = ((0.0, 20.0), (0.0, 40.0), (40.0, 40.0), (40.0, 20.0))
    street = Street((0.0, 0.0), (40.0, 0.0), 3.0, 1.5, 0)
    plot = Plot(straight, (street,), [left, right], 40.0, 40.0)
    assert [plot.owner_at(20.0, col) for col in (2.0, 10.0, 30.0, 400.0)] == [0, 1, 2, 0]
    house = Frame(20.0, 12.0, 0.0)
    assert plot.fits(house, 10.0, 10.0, 1)
    assert not plot.fits(house, 18.0, 10.0, 1)  # over the boundary
    plot.claim(house, 10.0, 10.0)
    assert not plot.fits(house.shifted(0.0, 8.0), 10.0, 10.0, 1)  # over the house
    place = plot.spare_place(np.random.default_rng(1), 1)
    assert place is not None
    assert plot.owner_at(*place) == 1
    # Middle to the street's edge with its pavement, 4.5 m + 0.3 m, in half metres.
    assert plot.reach_m(house, -1.0, 0.0, 1) == pytest.approx(12.0 - 4.8, abs=0.5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), cell_px=st.floats(1, 12))
def test_noise_is_about_standard_and_reproducible(seed: int, cell_px: float) -> None:
    fields = [smooth_noise(np.random.default_rng(seed), (160, 200), cell_px) for _ in range(2)]
    np.testing.assert_array_equal(fields[0], fields[1])
    assert fields[0].dtype == np.float32
    assert abs(fields[0].mean()) < 0.35
    assert 0.75 < fields[0].std() < 1.25


def test_fractal_noise_has_the_variance_of_one_octave() -> None:
    field = fractal_noise(np.random.default_rng(1), (300, 300), 16, 2)
    assert field.shape == (300, 300)
    assert 0.8 < field.std() < 1.2


def test_reflectances_are_shares_and_tints_stay_so() -> None:
    rng = np.random.default_rng(1)
    for name, bands in SPECTRA.items():
        assert all(0 < value < 1 for value in bands)
        tint = tinted(rng, name, 0.5, 0.3)
        assert tint.dtype == np.float32
        assert tint.shape == (4,)
        assert ((tint > 0) & (tint < 1)).all()
