import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.warp import LIMIT, moved, warped
from components.training.normalization import InputNormalization

SIZE = 16
MEAN = np.array([100.0, 20.0])
STDDEV = np.array([60.0, 60.0])


def oracle(image: np.ndarray, label: np.ndarray, angle: float, scale: float) -> tuple[np.ndarray, ...]:
    """Image and label pixel by pixel, as the formula says, and where the nearest pixel is beyond doubt."""
    centre = (SIZE - 1) / 2
    new_image, new_label = np.empty(image.shape, np.float64), np.full_like(label, VOID_ID)
    clear = np.zeros(label.shape, bool)

    def at(row: int, col: int) -> np.ndarray:
        inside = 0 <= row < SIZE and 0 <= col < SIZE
        return image[row, col].astype(np.float64) if inside else MEAN

    for row in range(SIZE):
        for col in range(SIZE):
            dx, dy = col - centre, row - centre
            x = centre + (np.cos(angle) * dx - np.sin(angle) * dy) / scale
            y = centre + (np.sin(angle) * dx + np.cos(angle) * dy) / scale
            left, top = int(np.floor(x)), int(np.floor(y))
            right_share, low_share = x - left, y - top
            new_image[row, col] = (1 - low_share) * (
                (1 - right_share) * at(top, left) + right_share * at(top, left + 1)
            ) + low_share * ((1 - right_share) * at(top + 1, left) + right_share * at(top + 1, left + 1))
            clear[row, col] = all(abs(share - 0.5) > 1e-4 for share in (right_share, low_share))
            nearest_row, nearest_col = int(np.round(y)), int(np.round(x))
            if 0 <= nearest_row < SIZE and 0 <= nearest_col < SIZE:
                new_label[row, col] = label[nearest_row, nearest_col]
    return new_image, new_label, clear


def patch(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 200, (SIZE, SIZE, 2)).astype(dtype), rng.integers(0, 4, (SIZE, SIZE)).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.4, 2.5), dtype=st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_a_patch_is_moved_as_the_formula_says(angle: float, scale: float, dtype: type):
    image, label = patch(dtype)
    angles, scales = tf.constant([angle], tf.float32), tf.constant([scale], tf.float32)
    new_image, new_label = moved(tf.constant(image[None]), tf.constant(label[None]), angles, scales, MEAN, STDDEV)
    assert (new_image.dtype, new_label.dtype) == (image.dtype, np.uint8)
    expected_image, expected_label, clear = oracle(image, label, angle, scale)
    # Integers are rounded; places in float32 are off by 1e-5 pixels, and neighbours differ by up to 200.
    np.testing.assert_allclose(new_image[0], expected_image, atol=0.51 if dtype != np.float32 else 0.05)
    np.testing.assert_array_equal(new_label[0].numpy()[clear], expected_label[clear])


def test_quarter_turns_and_doubling_are_exact():
    image, label = patch(np.uint8)
    for turns in range(4):
        angle = tf.constant([-turns * np.pi / 2], tf.float32)
        new_image, new_label = moved(
            tf.constant(image[None]), tf.constant(label[None]), angle, tf.ones(1), MEAN, STDDEV
        )
        # Rounding at the very edge may leave the outermost pixels outside.
        inner = np.s_[1:-1, 1:-1]
        turned = [np.rot90(a, -turns) if turns % 2 else np.rot90(a, turns) for a in (image, label)]
        np.testing.assert_array_equal(new_image[0].numpy()[inner], turned[0][inner])
        np.testing.assert_array_equal(new_label[0].numpy()[inner], turned[1][inner])
    _, halved = moved(tf.constant(image[None]), tf.constant(label[None]), tf.zeros(1), tf.fill([1], 0.5), MEAN, STDDEV)
    void = halved[0].numpy() == VOID_ID
    assert not void[4:12, 4:12].any()
    assert void.sum() == SIZE**2 - 64


def test_label_and_image_stay_together_and_labels_are_never_mixed():
    # Where the image is flat, it says which class there is; classes 0 and 3 never make a 1 or a 2 between them.
    label = np.zeros((8, 32, 32), np.uint8)
    label[:, 8:24, 10:20] = 3
    image = np.stack([50 * label, 50 * label], axis=-1).astype(np.uint8)
    options = AugmentOptions(rotation=30, scale=0.5)
    new_image, new_label = warped(tf.constant(image), tf.constant(label), tf.constant([1, 2]), options, MEAN, STDDEV)
    assert set(np.unique(new_label)) == {0, 3, VOID_ID}
    for class_id in (0, 3):
        flat = new_image.numpy()[new_label.numpy() == class_id][:, 0]
        assert (flat == 50 * class_id).mean() > 0.75  # at the edges it lies between
    assert len({patch.tobytes() for patch in new_label.numpy()}) == 8


def test_draws_keep_within_their_limits():
    options = AugmentOptions(scale=1.0)
    label = np.zeros((200, 33, 33), np.uint8)
    label[:, 8:25, 8:25] = 1  # 17 pixels a side
    image, seed = tf.constant(label[..., None]), tf.constant([5, 5])
    _, new_label = warped(image, tf.constant(label), seed, options, np.zeros(1), np.ones(1))
    sides = np.sqrt((new_label.numpy() == 1).sum(axis=(1, 2)))
    assert 8 <= sides.min() < 10
    assert 29 < sides.max() <= 33
    assert 70 < (sides > 17).sum() < 130


@pytest.mark.parametrize("seed", [[0, 0], [7, 123456789]])
def test_equal_seeds_give_equal_results(seed: list[int]):
    image, label = patch(np.uint8)
    images, labels = tf.constant(np.stack([image] * 4)), tf.constant(np.stack([label] * 4))
    options = AugmentOptions(rotation=10, scale=0.2)
    first, second = (warped(images, labels, tf.constant(seed), options, MEAN, STDDEV) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    same = warped(images, labels, tf.constant(seed), AugmentOptions(), MEAN, STDDEV)
    np.testing.assert_array_equal(same[0], images)


def test_a_pixel_that_is_no_number_stays_alone():
    image, label = (array[None] for array in patch(np.float32))
    image[0, 4, 6, 0], image[0, 9, 9, 1] = np.nan, np.inf
    same, _ = moved(tf.constant(image), tf.constant(label), tf.zeros(1), tf.ones(1), MEAN, STDDEV)
    expected = np.where(np.isfinite(image), image, MEAN)
    np.testing.assert_allclose(same, expected, atol=1e-3)


def test_a_nodata_marker_counts_as_what_the_network_makes_of_it():
    assert LIMIT == InputNormalization.LIMIT
    image, label = (array[None] for array in patch(np.float32))
    image[0, :4, :, 0] = -9999.0
    image[0, :, :, 1] = 20.0  # a constant band, whose deviation is 0
    image[0, 0, 0, 1] = 5000.0
    spread = np.array([60.0, 0.0])
    same, _ = moved(tf.constant(image), tf.constant(label), tf.zeros(1), tf.ones(1), MEAN, spread)
    np.testing.assert_allclose(same[0, :4, :, 0], 100 - 10 * 60, atol=1e-3)
    np.testing.assert_allclose(same[0, 4:, :, 0], image[0, 4:, :, 0], atol=1e-3)
    assert float(same[0, 0, 0, 1]) == pytest.approx(20 + 10)
    normalized = InputNormalization(MEAN, spread)
    np.testing.assert_allclose(normalized(same), normalized(image), atol=1e-4)
    turned, _ = moved(tf.constant(image), tf.constant(label), tf.fill([1], 0.2), tf.ones(1), MEAN, spread)
    assert turned.numpy().min() >= 100 - 10 * 60 - 1e-3
