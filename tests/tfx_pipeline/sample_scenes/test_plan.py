"""Streets on paper and on the ground."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfx_pipeline.sample_scenes.plan import Plan, Polygon, area_m2, cut, long_axis
from tfx_pipeline.sample_scenes.streets import Street, draw_network

SQUARE: Polygon = ((0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), row=st.floats(-500, 1000), col=st.floats(-500, 1000))
def test_ground_to_plan_and_back_is_the_same_place(seed: int, row: float, col: float) -> None:
    plan = Plan.drawn(np.random.default_rng(seed))
    u, v = plan.to_plan(row, col)
    assert plan.to_ground(float(u), float(v)) == pytest.approx((row, col), abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), heading=st.floats(0, 2 * math.pi))
def test_a_metre_on_the_plan_is_about_a_metre_on_the_ground(seed: int, heading: float) -> None:
    plan = Plan.drawn(np.random.default_rng(seed))
    here = plan.to_ground(20.0, 30.0)
    there = plan.to_ground(20.0 + math.sin(heading), 30.0 + math.cos(heading))
    assert 0.7 < math.dist(here, there) < 1.5


@settings(max_examples=60, deadline=None)
@given(
    place=st.tuples(st.floats(-2, 12), st.floats(-2, 12)),
    heading=st.floats(0, 2 * math.pi),
)
def test_the_parts_of_a_cut_have_the_area_of_the_whole(place: tuple[float, float], heading: float) -> None:
    behind, before, ends = cut(SQUARE, place, (math.sin(heading), math.cos(heading)))
    assert sum(area_m2(part) for part in (behind, before) if part) == pytest.approx(100.0)
    assert (ends is None) == (not behind or not before)


def test_long_axis_of_a_bar_lies_along_it() -> None:
    direction, length, breadth = long_axis(((0.0, 0.0), (0.0, 30.0), (5.0, 30.0), (5.0, 0.0)))
    assert (abs(direction[0]), abs(direction[1])) == pytest.approx((0.0, 1.0))
    assert (length, breadth) == pytest.approx((30.0, 5.0))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_blocks_cover_the_ground_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    plan = Plan.drawn(random)
    network = draw_network(random, plan, 200.0, 300.0)
    corners = np.array([corner for block in network.blocks for corner in block])
    whole = np.ptp(corners[:, 0]) * np.ptp(corners[:, 1])  # the first ground is a rectangle
    assert sum(area_m2(block) for block in network.blocks) == pytest.approx(whole)
    assert len(network.blocks) == len(network.streets) + 1


def test_gap_of_a_street_is_negative_on_it_and_the_distance_beside_and_beyond() -> None:
    street = Street((0.0, 0.0), (0.0, 100.0), 4.0, 2.0, 0)
    assert street.gap_m((0.0, 50.0)) == -4.0
    assert street.gap_m((7.0, 50.0)) == 3.0
    assert street.gap_m((0.0, 110.0)) == 6.0
