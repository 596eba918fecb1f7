"""Adjusted areas: the worked example of Olofsson et al. 2014, and what follows from the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.evaluation.adjusted_areas import adjust_areas, adjusted_area_intervals

# Table 8 of the paper: rows are the map, columns the reference; deforestation, forest gain, stable forest, stable
# non-forest. Mapped in pixels of 30 m, 0.09 hectares.
SAMPLE = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED_HA = np.array([200_000, 150_000, 3_200_000, 6_450_000]) * 0.09
NAMES = ("deforestation", "forest gain", "stable forest", "stable non-forest")


def test_the_deforestation_example_of_the_paper() -> None:
    found = adjust_areas(SAMPLE.T, MAPPED_HA)
    # 900,000 ha * (0.02 * 66/75 + 0.32 * 1/165 + 0.645 * 2/325)
    assert found.area[0] == pytest.approx(900_000 * (0.02 * 66 / 75 + 0.32 * 1 / 165 + 0.645 * 2 / 325))
    np.testing.assert_allclose(np.round(found.area), [21_158, 11_686, 285_770, 581_386])
    np.testing.assert_allclose(1.96 * found.area_error, [6158, 3756, 15_510, 16_282], atol=0.6)
    low, high = found.interval
    assert (low[0], high[0]) == (pytest.approx(21_158 - 6158, abs=1), pytest.approx(21_158 + 6158, abs=1))
    assert round(found.overall_accuracy, 2) == 0.95
    assert round(1.96 * found.overall_error, 2) == 0.02
    np.testing.assert_allclose(np.round(found.users_accuracy, 2), [0.88, 0.73, 0.93, 0.96])
    np.testing.assert_allclose(np.round(1.96 * found.users_error, 2), [0.07, 0.10, 0.04, 0.02])
    np.testing.assert_allclose(np.round(found.producers_accuracy, 2), [0.75, 0.85, 0.93, 0.96])


def test_errors_are_those_of_the_formulas_written_out() -> None:
    found = adjust_areas(SAMPLE.T, MAPPED_HA)
    n, w = SAMPLE.sum(axis=1), MAPPED_HA / MAPPED_HA.sum()
    for j in range(4):
        q = [SAMPLE[i, j] / n[i] for i in range(4)]
        area_variance = sum(w[i] ** 2 * q[i] * (1 - q[i]) / (n[i] - 1) for i in range(4))
        assert found.area_error[j] == pytest.approx(math.sqrt(area_variance) * 900_000)
        users = SAMPLE[j, j] / n[j]
        assert found.users_error[j] == pytest.approx(math.sqrt(users * (1 - users) / (n[j] - 1)))
        # equation 7 with pixels, not shares
        true_total = sum(MAPPED_HA[i] * q[i] for i in range(4))
        producers = MAPPED_HA[j] * users / true_total
        own = MAPPED_HA[j] ** 2 * (1 - producers) ** 2 * users * (1 - users) / (n[j] - 1)
        others = sum(MAPPED_HA[i] ** 2 * q[i] * (1 - q[i]) / (n[i] - 1) for i in range(4) if i != j)
        assert found.producers_accuracy[j] == pytest.approx(producers)
        assert found.producers_error[j] == pytest.approx(math.sqrt(own + producers**2 * others) / true_total)


COUNTS = hnp.arrays(np.int64, (3, 3), elements=st.integers(1, 10_000))


@given(COUNTS, st.floats(0.01, 100))
def test_where_all_that_is_mapped_is_labelled_the_adjusted_area_is_the_true_one(
    confusion: np.ndarray, pixel_area: float
) -> None:
    found = adjust_areas(confusion, confusion.sum(axis=0) * pixel_area)
    np.testing.assert_allclose(found.area, confusion.sum(axis=1) * pixel_area)
    assert found.overall_accuracy == pytest.approx(np.trace(confusion) / confusion.sum())
    np.testing.assert_allclose(found.producers_accuracy, np.diag(confusion) / confusion.sum(axis=1))


@given(COUNTS, hnp.arrays(np.float64, 3, elements=st.floats(0.1, 1e6)), st.permutations(range(3)))
def test_the_whole_area_stays_and_the_order_of_classes_does_not_matter(
    confusion: np.ndarray, mapped: np.ndarray, order: list[int]
) -> None:
    found = adjust_areas(confusion, mapped)
    assert found.area.sum() == pytest.approx(mapped.sum())
    shuffled = adjust_areas(confusion[np.ix_(order, order)], mapped[order])
    np.testing.assert_allclose(shuffled.area, found.area[order])
    np.testing.assert_allclose(shuffled.producers_error, found.producers_error[order])


def test_a_map_without_errors_needs_no_adjustment() -> None:
    found = adjust_areas(np.diag([50, 60]), [3.0, 7.0])
    np.testing.assert_array_equal(found.area, [3, 7])
    np.testing.assert_array_equal(found.area_error, [0, 0])


def test_a_class_that_was_mapped_but_never_checked_makes_areas_absent() -> None:
    found = adjust_areas([[5, 0], [1, 0]], [3.0, 7.0])
    assert np.isnan(found.area).all()
    assert math.isnan(found.overall_accuracy)


def test_a_class_that_is_nowhere_is_absent_and_disturbs_no_other() -> None:
    with_it = adjust_areas([[5, 1, 0], [2, 9, 0], [0, 0, 0]], [3.0, 7.0, 0.0])
    without = adjust_areas([[5, 1], [2, 9]], [3.0, 7.0])
    np.testing.assert_allclose(with_it.area, [*without.area, 0])
    np.testing.assert_allclose(with_it.area_error[:2], without.area_error)
    assert math.isnan(with_it.users_accuracy[2])
    assert math.isnan(with_it.producers_accuracy[2])


def test_a_single_reference_pixel_gives_no_error() -> None:
    found = adjust_areas([[1, 0], [0, 9]], [3.0, 7.0])
    assert found.area[0] == pytest.approx(3.0)
    assert math.isnan(found.area_error[0])


def test_the_interval_over_tiles_is_wider_than_that_of_single_pixels() -> None:
    rng = np.random.default_rng(3)
    tiles = np.zeros((12, 2, 2), int)
    for tile, share in zip(tiles, rng.uniform(0.6, 0.99, 12), strict=True):
        tile[:] = [[int(5000 * share), 5000 - int(5000 * share)], [500, 4500]]
    mapped = tiles.sum(axis=(0, 1)) * 2.0
    found = adjusted_area_intervals(tiles, mapped, ("roof", "lawn"))
    pixelwise = adjust_areas(tiles.sum(axis=0), mapped)
    assert found["roof"].value == pytest.approx(pixelwise.area[0])
    low, high = pixelwise.interval
    assert found["roof"].high - found["roof"].low > 3 * (high[0] - low[0])


def test_one_tile_has_no_interval_over_tiles() -> None:
    found = adjusted_area_intervals([[[5, 1], [2, 9]]], [3.0, 7.0], ("roof", "lawn"))
    assert math.isnan(found["roof"].low)
    assert found["roof"].value == pytest.approx(adjust_areas([[5, 1], [2, 9]], [3.0, 7.0]).area[0])


def test_areas_that_do_not_fit_the_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="3 mapped areas"):
        adjust_areas(np.ones((2, 2)), [1, 2, 3])
