import numpy as np
import pytest
import tensorflow as tf

from components.dataset.augment_options import AugmentOptions
from components.dataset.relight import relit

SEED = tf.constant([3, 4])


def test_brightness_and_contrast_follow_the_formula_within_the_dtype():
    image = tf.fill([64, 2, 2, 2], tf.constant(120, tf.uint8))
    mean, stddev = np.array([100.0, 120.0]), np.array([10.0, 0.0])
    changed = relit(image, tf.constant([3, 4]), AugmentOptions(brightness=1.0, contrast=0.5), mean, stddev).numpy()
    assert changed.dtype == np.uint8
    # Band 0: 100 + 20 * (1 +- 0.5) +- 10; band 1 stands at its mean and has no deviation.
    assert changed[..., 0].min() >= 100
    assert changed[..., 0].max() <= 140
    assert len(np.unique(changed[:, 0, 0, 0])) > 10
    assert (changed[..., 1] == 120).all()
    # Cut at the ends of the dtype, never wrapped round.
    bright = relit(image + 130, tf.constant([3, 4]), AugmentOptions(brightness=2.0), mean, np.array([50.0, 50.0]))
    assert bright.numpy().max() == 255


def test_gamma_bends_the_range_about_the_mean_and_leaves_its_ends():
    mean, stddev = np.array([100.0, 50.0]), np.array([10.0, 0.0])
    # Band 0: its range is 70 to 130; 85 is a quarter of the way, 160 lies outside. Band 1 is constant.
    image = np.tile(np.array([[[[70, 50], [85, 50], [130, 51], [160, 49]]]], np.float32), (64, 1, 1, 1))
    bent = relit(tf.constant(image), SEED, AugmentOptions(gamma=1.0), mean, stddev).numpy()
    np.testing.assert_allclose(bent[:, 0, (0, 2, 3)], image[:, 0, (0, 2, 3)], rtol=1e-5)
    np.testing.assert_allclose(bent[..., 1], image[..., 1])
    quarter = (bent[:, 0, 1, 0] - 70) / 60
    # Exponents from 1/2 to 2: from 1/2 to 1/16 of the way, both sides of it alike often.
    assert quarter.min() >= 1 / 16 - 1e-5
    assert quarter.max() <= 1 / 2 + 1e-5
    assert quarter.max() - quarter.min() > 0.3
    assert 16 < (quarter > 0.25).sum() < 48


def test_bands_change_together_or_each_on_its_own():
    image = tf.fill([32, 2, 2, 3], 120.0)
    mean, stddev = np.full(3, 100.0), np.full(3, 20.0)
    for per_band in (False, True):
        options = AugmentOptions(brightness=0.5, contrast=0.5, gamma=0.5, per_band=per_band)
        changed = relit(image, SEED, options, mean, stddev).numpy()
        alike = np.isclose(changed[..., 0], changed[..., 1], rtol=1e-5).all(axis=(1, 2))
        assert alike.all() != per_band
        assert (changed == changed[:, :1, :1]).all()


def test_the_draws_for_brightness_are_part_of_a_trainings_result():
    # Gamma, which came later, may not move them.
    image = tf.fill([8, 1, 1, 1], 120.0)
    mean, stddev = np.full(1, 100.0), np.full(1, 20.0)
    drawn = tf.random.stateless_uniform([2, 8, 1, 1, 1], SEED, -1.0, 1.0).numpy()
    changed = relit(image, SEED, AugmentOptions(brightness=0.5, contrast=0.25), mean, stddev).numpy()
    np.testing.assert_allclose(changed, 100 + 20 * (1 + 0.25 * drawn[0]) + 0.5 * 20 * drawn[1], rtol=1e-5)


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint16", 0, 65535), ("int16", -32768, 32767)])
def test_the_ends_of_a_sensors_range_stay_in_it(dtype: str, low: int, high: int):
    rng = np.random.default_rng(0)
    image = rng.integers(low, high, (16, 4, 4, 1), endpoint=True).astype(dtype)
    image[:, 0, 0], image[:, 1, 1] = low, high
    mean, stddev = image.mean(axis=(0, 1, 2)), image.std(axis=(0, 1, 2))
    options = AugmentOptions(brightness=1.0, contrast=0.5, gamma=1.0)
    changed = relit(tf.constant(image), SEED, options, mean, stddev).numpy()
    assert changed.dtype == image.dtype
    # What is brighter stays brighter: at the ends numbers are cut, not wrapped round to the other end.
    for before, after in zip(image, changed, strict=True):
        order = np.argsort(before.ravel(), kind="stable")
        assert (np.diff(after.ravel()[order].astype(np.int64)) >= 0).all()
    assert (changed == low).any()
    assert (changed == high).any()
    # A marker of nodata lies far outside of the measurements: gamma leaves it what it is.
    narrow = relit(tf.constant(image), SEED, AugmentOptions(gamma=1.0), np.array([100.0]), np.array([5.0])).numpy()
    assert (narrow[:, 1, 1] == high).all()


def test_a_pixel_that_is_no_number_stays_one_and_stays_alone():
    image = np.full((4, 3, 3, 2), 110, np.float32)
    image[:, 1, 1, 0], image[:, 2, 2, 1] = np.nan, np.inf
    mean, stddev = np.full(2, 100.0), np.full(2, 20.0)
    changed = relit(tf.constant(image), SEED, AugmentOptions(brightness=0.5, contrast=0.5, gamma=1.0), mean, stddev)
    np.testing.assert_array_equal(np.isfinite(changed), np.isfinite(image))
