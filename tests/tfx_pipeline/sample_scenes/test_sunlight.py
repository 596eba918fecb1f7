"""Shadows fall away from the sun, as long as height over the tangent of its elevation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfx_pipeline.sample_scenes.painting import Canvas, Painting
from tfx_pipeline.sample_scenes.sunlight import Sun, shadow_depth, sunlit


@pytest.mark.parametrize(("azimuth_deg", "away_row", "away_col"), [(180, -1, 0), (0, 1, 0), (90, 0, -1), (270, 0, 1)])
def test_shadow_of_a_post_points_away_from_the_sun_and_has_its_length(
    azimuth_deg: float, away_row: int, away_col: int
) -> None:
    ground = np.zeros((81, 81), np.float32)
    ground[40, 40] = 10.0
    # 10 m at 45 degrees: 10 m of shadow, 20 pixels of half a metre
    shadow = shadow_depth(ground, 0.5, Sun(math.radians(azimuth_deg), math.radians(45))) > 1e-3
    assert shadow[40 + 19 * away_row, 40 + 19 * away_col]
    assert not shadow[40 + 21 * away_row, 40 + 21 * away_col]
    assert shadow.sum() == 19  # at 20 pixels the shadow line meets the ground


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    eighth=st.integers(0, 7),
    elevation_deg=st.floats(15, 75),
)
def test_one_pass_equals_walking_toward_the_sun_from_every_pixel(seed: int, eighth: int, elevation_deg: float) -> None:
    """In the eight directions of a chess queen, where a walk meets whole pixels."""
    ground = np.random.default_rng(seed).uniform(0, 6, (9, 12)).astype(np.float32)
    sun, pixel_m = Sun(eighth * math.pi / 4, math.radians(elevation_deg)), 0.5
    toward_row, toward_col = -round(1.2 * math.cos(sun.azimuth)), round(1.2 * math.sin(sun.azimuth))
    step_m = pixel_m * math.hypot(toward_row, toward_col) * math.tan(sun.elevation)
    depth = shadow_depth(ground, pixel_m, sun)
    for row in range(9):
        for col in range(12):
            places = [(row + k * toward_row, col + k * toward_col, k) for k in range(1, 12)]
            lines = [ground[r, c] - k * step_m for r, c, k in places if 0 <= r < 9 and 0 <= c < 12]
            expected = max(lines, default=-math.inf) - ground[row, col]
            assert depth[row, col] == pytest.approx(expected, abs=1e-3)


def test_slope_toward_the_sun_is_brighter_than_level_ground_and_the_other_darker() -> None:
    painting = Painting(Canvas(40, 40, 0.5), np.random.default_rng(1))
    painting.slope_row[:20] = -0.5  # rises upward in the image: it faces south
    painting.slope_row[20:] = 0.5
    direct, sky = sunlit(painting, np.zeros((40, 40), np.float32), Sun(math.pi, math.radians(45)))
    # (n . s) / s_z = (1 + 0.5 cot 45) / sqrt(1 + 0.25), and 0.5 / sqrt(1.25)
    np.testing.assert_allclose(direct[10, 20], 1.5 / math.sqrt(1.25), rtol=1e-5)
    np.testing.assert_allclose(direct[30, 20], 0.5 / math.sqrt(1.25), rtol=1e-5)
    np.testing.assert_allclose(sky, 1.0)


def test_foot_of_a_wall_sees_less_sky() -> None:
    painting = Painting(Canvas(40, 40, 0.5), np.random.default_rng(1))
    painting.height_m[:, :10] = 8.0
    _, sky = sunlit(painting, np.zeros((40, 40), np.float32), Sun(math.pi, math.radians(45)))
    assert sky[20, 10] < 0.8 < sky[20, 30]
