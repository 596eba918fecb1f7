"""Figures against hand arithmetic and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from components.classes import VOID_ID
from components.evaluation.confusion import confusion_matrix
from components.evaluation.figures import figures

NAMES = ("a", "b", "c")


def test_figures_of_a_matrix_worked_by_hand() -> None:
    # rows are truth: a has 4 pixels (3 right, 1 called b), b has 6 (4 right, 2 called a), c is absent
    found = figures([[3, 1, 0], [2, 4, 0], [0, 0, 0]], NAMES, (0, 1, 2))
    assert found["overall_accuracy"] == pytest.approx(7 / 10)
    # p_e = (4 * 5 + 6 * 5) / 100 = 0.5
    assert found["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found["precision/a"] == pytest.approx(3 / 5)
    assert found["recall/a"] == pytest.approx(3 / 4)
    assert found["f1/a"] == pytest.approx(6 / 9)
    assert found["iou/a"] == pytest.approx(3 / 6)
    assert found["iou/b"] == pytest.approx(4 / 7)
    assert found["mean_iou"] == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert math.isnan(found["iou/c"])
    assert found["pixels"] == 10


def test_an_unscored_class_counts_as_an_error_but_not_in_the_means() -> None:
    found = figures([[3, 1], [2, 4]], ("a", "clutter"), (0,))
    assert found["mean_iou"] == found["iou/a"] == pytest.approx(3 / 6)
    assert found["overall_accuracy"] == pytest.approx(0.7)


def test_a_class_that_is_predicted_but_never_true_has_an_iou_of_zero() -> None:
    found = figures([[3, 1], [0, 0]], ("a", "b"), (0, 1))
    assert found["iou/b"] == 0
    assert math.isnan(found["recall/b"])


def test_an_empty_matrix_gives_no_figure_at_all() -> None:
    found = figures(np.zeros((3, 3)), NAMES, (0, 1, 2))
    assert math.isnan(found["overall_accuracy"])
    assert math.isnan(found["mean_iou"])


@given(
    hnp.arrays(np.uint8, 200, elements=st.sampled_from([0, 1, 2, VOID_ID])),
    hnp.arrays(np.uint8, 200, elements=st.integers(0, 2)),
)
def test_figures_agree_with_scikit_learn(truth: np.ndarray, predicted: np.ndarray) -> None:
    # all three classes at least once, so that scikit-learn's conventions for absent classes do not matter
    truth, predicted = np.append(truth, [0, 1, 2]).astype(np.uint8), np.append(predicted, [0, 1, 2]).astype(np.uint8)
    counted = truth != VOID_ID
    found = figures(confusion_matrix(truth, predicted, 3), NAMES, (0, 1, 2))
    t, p = truth[counted], predicted[counted]
    assert found["overall_accuracy"] == pytest.approx(metrics.accuracy_score(t, p), abs=1e-9)
    assert found["kappa"] == pytest.approx(metrics.cohen_kappa_score(t, p), abs=1e-9)
    assert found["mean_iou"] == pytest.approx(metrics.jaccard_score(t, p, average="macro"), abs=1e-9)
    assert found["mean_f1"] == pytest.approx(metrics.f1_score(t, p, average="macro"), abs=1e-9)


def test_matrices_of_parts_sum_to_the_matrix_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 3, (2, 50, 50)).astype(np.uint8)
    parts = [confusion_matrix(truth[i : i + 7], predicted[i : i + 7], 3) for i in range(0, 50, 7)]
    np.testing.assert_array_equal(sum(parts), confusion_matrix(truth, predicted, 3))


def test_shapes_and_ids_that_cannot_be_compared_are_refused() -> None:
    zeros = np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match="must be the same"):
        confusion_matrix(zeros, zeros[:3], 2)
    with pytest.raises(ValueError, match="is no class id"):
        confusion_matrix(zeros, zeros + 2, 2)
    with pytest.raises(ValueError, match="3 classes need"):
        figures(np.zeros((2, 2)), NAMES, (0,))
