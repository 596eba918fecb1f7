import keras
import numpy as np
import pytest
import tensorflow as tf

from components.segnet.pooling import MaxPoolWithMask, UnpoolWithMask

# One channel, worked by hand. The second window has its maximum twice: the first in reading order counts.
PICTURE = np.array(
    [
        [1, 5, 7, 0],
        [2, 3, 7, 1],
        [-4, -3, 0, 0],
        [-1, -2, 0, 9],
    ],
    np.float32,
)
POOLED = np.array([[5, 7], [-1, 9]], np.float32)
MASK = np.array(
    [
        [0, 1, 1, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 1],
    ],
    bool,
)


def batch(picture: np.ndarray) -> np.ndarray:
    return picture[None, :, :, None]


def test_pooling_gives_the_maxima_and_where_they_stood():
    pooled, mask = MaxPoolWithMask()(batch(PICTURE))
    np.testing.assert_array_equal(pooled, batch(POOLED))
    np.testing.assert_array_equal(mask, batch(MASK))


def test_unpooling_puts_values_back_and_fills_with_zeros():
    values = np.array([[10, 20], [30, 40]], np.float32)
    unpooled = UnpoolWithMask()([batch(values), batch(MASK)])
    expected = np.zeros((4, 4), np.float32)
    expected[0, 1], expected[0, 2], expected[3, 0], expected[3, 3] = 10, 20, 30, 40
    np.testing.assert_array_equal(unpooled, batch(expected))


def test_pooling_an_unpooled_picture_gives_the_values_back():
    values = np.random.default_rng(1).uniform(1, 2, (3, 4, 6, 5)).astype(np.float32)
    mask = MaxPoolWithMask()(np.random.default_rng(2).normal(size=(3, 8, 12, 5)).astype(np.float32))[1]
    pooled, mask_again = MaxPoolWithMask()(UnpoolWithMask()([values, mask]))
    np.testing.assert_array_equal(pooled, values)
    np.testing.assert_array_equal(mask_again, mask)


def test_channels_and_samples_are_pooled_on_their_own():
    picture = np.random.default_rng(3).normal(size=(4, 6, 8, 3)).astype(np.float32)
    pooled, mask = MaxPoolWithMask()(picture)
    np.testing.assert_array_equal(pooled, tf.nn.max_pool2d(picture, 2, 2, "VALID"))
    alone, mask_alone = MaxPoolWithMask()(picture[2:3])
    np.testing.assert_array_equal(alone, pooled[2:3])
    np.testing.assert_array_equal(mask_alone, mask[2:3])


def test_the_gradient_goes_to_the_maximum_alone():
    picture = tf.constant(batch(PICTURE))
    with tf.GradientTape() as tape:
        tape.watch(picture)
        total = tf.reduce_sum(MaxPoolWithMask()(picture)[0] * [[[[1.0], [2.0]], [[3.0], [4.0]]]])
    expected = np.zeros((4, 4), np.float32)
    expected[0, 1], expected[0, 2], expected[3, 0], expected[3, 3] = 1, 2, 3, 4
    np.testing.assert_array_equal(tape.gradient(total, picture), batch(expected))


def test_not_a_number_stays_visible():
    picture = PICTURE.copy()
    picture[0, 0] = np.nan
    assert np.isnan(MaxPoolWithMask()(batch(picture))[0].numpy()).any()


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="6 x 5 pixels; expected known, even numbers"):
        MaxPoolWithMask()(np.zeros((1, 6, 5, 2), np.float32))
    with pytest.raises(ValueError, match="twice the height and width"):
        UnpoolWithMask()([np.zeros((1, 2, 2, 1), np.float32), np.zeros((1, 4, 6, 1), bool)])


def test_symbolic_shapes_equal_the_real_ones():
    image = keras.Input((8, 12, 3))
    pooled, mask = MaxPoolWithMask()(image)
    assert (pooled.shape, mask.shape, mask.dtype) == ((None, 4, 6, 3), (None, 8, 12, 3), "bool")
    assert UnpoolWithMask()([pooled, mask]).shape == (None, 8, 12, 3)
