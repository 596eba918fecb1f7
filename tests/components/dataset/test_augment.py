import numpy as np
import pytest
import tensorflow as tf

from components.dataset.augment import relit, turned
from components.dataset.augment_options import AugmentOptions

ALL_EIGHT = {turn + flip for turn in "0123" for flip in ("", "f")}


def ways(options: AugmentOptions, count: int = 256) -> list[str]:
    """How each of many equal patches was laid: quarter turns, then "f" if mirrored."""
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    names = {
        np.rot90(np.fliplr(square) if flip else square, turn).tobytes(): f"{turn}{flip}"
        for turn in range(4)
        for flip in ("", "f")
    }
    label = np.tile(square, (count, 1, 1))
    image = np.stack([label, label + 100], axis=-1).astype(np.int16)
    new_image, new_label = turned(tf.constant(image), tf.constant(label), tf.constant([1, 2]), options)
    np.testing.assert_array_equal(new_image[..., 0], new_label)
    np.testing.assert_array_equal(new_image[..., 1], new_label.numpy().astype(np.int16) + 100)
    return [names[patch.tobytes()] for patch in new_label.numpy()]


def test_flips_and_turns_move_image_and_label_together_in_all_eight_ways():
    found = ways(AugmentOptions())
    assert set(found) == ALL_EIGHT
    assert all(found.count(way) > 256 / 8 / 2 for way in ALL_EIGHT)


@pytest.mark.parametrize(("bands", "dtype"), [(1, np.uint8), (3, np.uint8), (5, np.uint16), (2, np.float32)])
@pytest.mark.parametrize("quarter_turns", [True, False])
def test_each_patch_is_turned_as_the_seed_draws(bands: int, dtype: type, quarter_turns: bool):
    # Which draw means what is part of a training's result: another order of draws would be another training.
    seed = tf.constant([8, 3])
    image = np.random.default_rng(0).integers(0, 250, (16, 6, 6, bands)).astype(dtype)
    label = image[..., 0].astype(np.uint8)
    options = AugmentOptions(quarter_turns=quarter_turns)
    new_image, new_label = turned(tf.constant(image), tf.constant(label), seed, options)
    assert (new_image.dtype, new_image.shape) == (image.dtype, image.shape)
    chosen = tf.random.stateless_uniform([3, 16], seed, 0, 2, tf.int32).numpy() > 0
    for i, (transposed, rows, cols) in enumerate(chosen.T):
        for patch, new_patch in ((image[i], new_image[i]), (label[i], new_label[i])):
            expected = np.swapaxes(patch, 0, 1) if transposed and quarter_turns else patch
            expected = np.flip(expected, 0) if rows else expected
            expected = np.flip(expected, 1) if cols else expected
            np.testing.assert_array_equal(new_patch, expected)


def test_flips_alone_and_turns_alone():
    assert set(ways(AugmentOptions(quarter_turns=False))) == {"0", "0f", "2", "2f"}
    assert set(ways(AugmentOptions(flips=False))) == {"0", "1", "2", "3"}
    assert set(ways(AugmentOptions(flips=False, quarter_turns=False))) == {"0"}


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


@pytest.mark.parametrize("seed", [[0, 0], [7, 123456789]])
def test_equal_seeds_give_equal_results(seed: list[int]):
    image = tf.constant(np.random.default_rng(0).integers(0, 255, (8, 4, 4, 3)).astype(np.uint8))
    options = AugmentOptions(brightness=0.3, contrast=0.3)
    results = [
        relit(turned(image, image[..., 0], tf.constant(seed), options)[0], tf.constant(seed), options, *np.ones((2, 3)))
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*results)
