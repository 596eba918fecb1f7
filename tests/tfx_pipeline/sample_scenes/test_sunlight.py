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


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    azimuth_deg=st.floats(0, 359.9),
    elevation_deg=st.floats(20, 70),
)
def test_one_pass_equals_walking_toward_the_sun_from_every_pixel(
    seed: int, azimuth_deg: float, elevation_deg: float
) -> None:
    ground = np.random.default_rng(seed).uniform(0, 6, (13, 17)).astype(np.float32)
    sun, pixel_m = Sun(math.radians(azimuth_deg), math.radians(elevation_deg)), 0.5
    # No place can lie deeper in shadow than the steepest thing toward the sun allows, nor be lit behind it: compare
    # with a slow walk along whole pixels of the longer axis, which leaves half a pixel of freedom sideways.
    toward = np.array([-math.cos(sun.azimuth), math.sin(sun.azimuth)])
    toward /= np.abs(toward).max()
    step_m = pixel_m * float(np.hypot(*toward)) * math.tan(sun.elevation)
    depth = shadow_depth(ground, pixel_m, sun)
    for row in range(13):
        for col in range(17):
            walk = [(row + k * toward[0], col + k * toward[1], k) for k in range(1, 17)]
            seen = [
                [
                    ground[round(r) + i, round(c) + j] - k * step_m
                    for i in (-1, 0, 1)
                    for j in (-1, 0, 1)
                    if 0 <= round(r) + i < 13 and 0 <= round(c) + j < 17
                ]
                for r, c, k in walk
            ]
            highest = max((max(near) for near in seen if near), default=-math.inf)
            assert depth[row, col] <= highest - ground[row, col] + 1e-3


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
