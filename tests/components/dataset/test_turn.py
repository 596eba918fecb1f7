import numpy as np
import pytest
import tensorflow as tf

from components.dataset.augment_options import AugmentOptions
from components.dataset.turn import turned

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
