import numpy as np
import pytest

from components.classes import VOID_ID
from components.training.confusion import mean_iou, patch_confusions, pixel_accuracy


def test_each_patch_has_its_own_matrix_without_void():
    rng = np.random.default_rng(0)
    label, predicted = rng.integers(0, 3, (2, 4, 6, 5))
    label[1, 2:] = VOID_ID
    found = patch_confusions(label.astype(np.uint8), predicted.astype(np.uint8), 3).numpy().reshape(4, 3, 3)
    expected = np.zeros((4, 3, 3))
    for patch, row, col in np.ndindex(label.shape):
        if label[patch, row, col] != VOID_ID:
            expected[patch, label[patch, row, col], predicted[patch, row, col]] += 1
    np.testing.assert_array_equal(found, expected)


def test_figures_by_hand():
    # Class 0: 6 right, union 6 + 2 + 1; class 1: 3 right, union 3 + 2 + 1; class 2 is absent.
    confusion = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert pixel_accuracy(confusion) == pytest.approx(9 / 12)
    assert mean_iou(confusion, (0, 1, 2)) == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert mean_iou(confusion, (1,)) == pytest.approx(3 / 6)
    assert mean_iou(confusion, (2,)) is None
    assert pixel_accuracy(np.zeros((2, 2))) is None
