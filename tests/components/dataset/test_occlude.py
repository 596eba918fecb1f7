import numpy as np
import pytest
import tensorflow as tf

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.occlude import occluded

MEAN = np.array([10.4, 20.0, 30.0])
SEED = tf.constant([3, 4])
IMAGE = np.random.default_rng(0).integers(100, 200, (400, 8, 8, 3)).astype(np.uint8)
LABEL = np.ones((400, 8, 8), np.uint8)


def occlude(**options: object) -> tuple[np.ndarray, np.ndarray]:
    image, label = occluded(tf.constant(IMAGE), tf.constant(LABEL), SEED, AugmentOptions(**options), MEAN)
    assert (image.dtype, label.dtype) == (np.uint8, np.uint8)
    return image.numpy(), label.numpy()


def test_one_band_of_some_patches_becomes_its_mean():
    image, label = occlude(channel_dropout=0.25)
    gone = (image == [10, 20, 30]).all(axis=(1, 2))
    kept = (image == IMAGE).all(axis=(1, 2))
    assert (gone ^ kept).all()
    assert set(gone.sum(axis=1)) == {0, 1}
    # 100 of 400 expected, with a standard deviation of sqrt(400 * 0.25 * 0.75) = 8.7; a third of them for each band.
    assert abs(gone.sum() - 100) < 4 * 8.7
    assert (gone.sum(axis=0) > 15).all()
    assert (label == LABEL).all()


@pytest.mark.parametrize("keep", ["void", "kept"])
def test_each_patch_has_a_square_hole_whose_label_is_void_or_kept(keep: str):
    image, label = occlude(cutout=0.4, cutout_label=keep)
    hole = (image == [10, 20, 30]).all(axis=-1)
    assert (hole.sum(axis=(1, 2)) == 9).all()  # 0.4 * 8 is 3 pixels
    assert (image[~hole] == IMAGE[~hole]).all()
    rows, cols = hole.any(axis=2), hole.any(axis=1)
    assert (rows.sum(axis=1) == 3).all()
    assert (cols.sum(axis=1) == 3).all()
    assert {int(row.argmax()) for row in rows} == {int(col.argmax()) for col in cols} == set(range(6))
    np.testing.assert_array_equal(label == VOID_ID, hole if keep == "void" else np.zeros_like(hole))


def test_nothing_asked_is_nothing_done():
    image, label = occlude()
    assert (image == IMAGE).all()
    assert (label == LABEL).all()


def test_a_label_for_no_hole_is_refused():
    with pytest.raises(ValueError, match="cutout_label is given, but no cutout"):
        AugmentOptions(cutout_label="kept")


def test_a_hole_leaves_something_of_the_patch():
    _, label = occlude(cutout=0.99)
    assert ((label != VOID_ID).sum(axis=(1, 2)) == 64 - 49).all()
