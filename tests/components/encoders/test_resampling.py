import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.encoders.resampling import AdaptiveAveragePooling, BilinearResize, average_matrix, bilinear_matrix

SIDES = st.integers(1, 24)


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * 31 + width).normal(size=(2, height, width, channels)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES)
def test_enlarging_is_what_keras_calls_bilinear(height: int, width: int, more: int, wider: int):
    given_picture, target = picture(height, width), (height + more, width + wider)
    expected = keras.ops.image.resize(given_picture, target, interpolation="bilinear", antialias=False)
    np.testing.assert_allclose(BilinearResize(*target)(given_picture), expected, atol=1e-5)


@given(SIDES, SIDES)
def test_every_pixel_and_every_cell_is_a_mean_with_shares_that_sum_to_one(source: int, target: int):
    for matrix in (bilinear_matrix(source, target), average_matrix(source, target)):
        assert matrix.shape == (target, source)
        assert (matrix >= 0).all()
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)


def test_cells_that_divide_the_picture_are_plain_means():
    given_picture = picture(12, 6)
    pooled = AdaptiveAveragePooling(3, 2)(given_picture)
    np.testing.assert_allclose(pooled, given_picture.reshape(2, 3, 4, 2, 3, 3).mean(axis=(2, 4)), atol=1e-6)


def test_cells_that_do_not_divide_it_overlap():
    # 5 pixels in 3 cells: 0 to 5/3 takes pixels 0 and 1; 5/3 to 10/3 takes 1, 2, 3; 10/3 to 5 takes 3 and 4.
    expected = [[1 / 2, 1 / 2, 0, 0, 0], [0, 1 / 3, 1 / 3, 1 / 3, 0], [0, 0, 0, 1 / 2, 1 / 2]]
    np.testing.assert_allclose(average_matrix(5, 3), expected, rtol=1e-6)


def test_one_cell_is_the_global_mean_and_comes_back_as_a_constant():
    given_picture = picture(7, 5)
    mean = AdaptiveAveragePooling(1, 1)(given_picture)
    np.testing.assert_allclose(mean[:, 0, 0], given_picture.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(BilinearResize(4, 9)(mean), np.broadcast_to(mean, (2, 4, 9, 3)), atol=1e-6)


def test_a_picture_of_unknown_size_is_refused():
    with pytest.raises(ValueError, match="unknown size"):
        BilinearResize(4, 4)(keras.Input((None, 8, 3)))


def test_it_is_rebuilt_from_its_configuration():
    layer = BilinearResize(4, 9, name="enlarged")
    assert BilinearResize.from_config(layer.get_config()).get_config() == layer.get_config()
