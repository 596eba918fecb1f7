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
from components.evaluation.figures import figure_arrays, figure_names, figures

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
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(t, p), abs=1e-9)
    assert found["average_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(t, p), abs=1e-9)
    assert found["frequency_weighted_iou"] == pytest.approx(metrics.jaccard_score(t, p, average="weighted"), abs=1e-9)
    precision, recall, f1, pixels = metrics.precision_recall_fscore_support(t, p, labels=[0, 1, 2])
    iou = metrics.jaccard_score(t, p, labels=[0, 1, 2], average=None)
    for i, name in enumerate(NAMES):
        assert found[f"precision/{name}"] == pytest.approx(precision[i], abs=1e-9)
        assert found[f"recall/{name}"] == pytest.approx(recall[i], abs=1e-9)
        assert found[f"f1/{name}"] == pytest.approx(f1[i], abs=1e-9)
        assert found[f"iou/{name}"] == pytest.approx(iou[i], abs=1e-9)
        assert found[f"truth_share/{name}"] == pytest.approx(pixels[i] / len(t), abs=1e-9)


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


def test_an_isprs_like_case_worked_by_hand() -> None:
    # truth: 50 building, 40 tree, 10 clutter; of the clutter 6 are called building, 4 are found
    matrix = [[45, 5, 0], [4, 34, 2], [6, 0, 4]]
    found = figures(matrix, ("building", "tree", "clutter"), (0, 1))
    assert found["overall_accuracy"] == pytest.approx(83 / 100)
    assert found["average_accuracy"] == pytest.approx((45 / 50 + 34 / 40) / 2)
    assert found["f1/building"] == pytest.approx(2 * 45 / (50 + 55))
    assert found["mean_f1"] == pytest.approx((2 * 45 / (50 + 55) + 2 * 34 / (40 + 39)) / 2)
    assert found["mean_f1_of_all"] == pytest.approx((2 * 45 / (50 + 55) + 2 * 34 / (40 + 39) + 2 * 4 / (10 + 6)) / 3)
    assert found["mean_iou_of_all"] == pytest.approx((45 / 60 + 34 / 45 + 4 / 12) / 3)
    assert found["frequency_weighted_iou"] == pytest.approx((50 * 45 / 60 + 40 * 34 / 45 + 10 * 4 / 12) / 100)
    # sum row_i column_i = 50 * 55 + 40 * 39 + 10 * 6; 100^2 - sum row_i^2 = 5800; 100^2 - sum column_i^2 = 5418
    assert found["mcc"] == pytest.approx((100 * 83 - 4370) / math.sqrt(5800 * 5418))


def test_an_ignored_class_has_no_truth_but_predicting_it_is_still_an_error() -> None:
    matrix = [[45, 5, 0], [4, 34, 2], [6, 0, 4]]
    found = figures(matrix, ("building", "tree", "clutter"), (0, 1), ignored_ids=(2,))
    assert found["pixels"] == 90
    assert found["overall_accuracy"] == pytest.approx(79 / 90)
    assert found["precision/building"] == pytest.approx(45 / 49)  # the 6 on clutter are no false buildings any more
    assert found["recall/tree"] == pytest.approx(34 / 40)  # the 2 called clutter are missed trees
    assert math.isnan(found["iou/clutter"])
    assert found["mean_iou"] == found["mean_iou_of_all"] == pytest.approx((45 / 54 + 34 / 45) / 2)


def test_ignoring_a_class_is_what_making_its_truth_void_is() -> None:
    rng = np.random.default_rng(5)
    truth, predicted = rng.integers(0, 3, (2, 400)).astype(np.uint8)
    ignored = figures(confusion_matrix(truth, predicted, 3), NAMES, (0, 1, 2), ignored_ids=(2,))
    truth[truth == 2] = VOID_ID
    voided = figures(confusion_matrix(truth, predicted, 3), NAMES, (0, 1))
    assert ignored["kappa"] == pytest.approx(voided["kappa"])
    assert ignored["mcc"] == pytest.approx(voided["mcc"])
    assert ignored["mean_iou"] == pytest.approx(voided["mean_iou"])


MATRICES = hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 1_000_000))


@given(st.lists(MATRICES, min_size=1, max_size=5))
def test_figures_of_many_matrices_are_those_of_each(matrices: list[np.ndarray]) -> None:
    arrays = figure_arrays(np.stack(matrices), NAMES, (0, 2))
    assert set(arrays) == set(figure_names(NAMES))
    for i, matrix in enumerate(matrices):
        one = figures(matrix, NAMES, (0, 2))
        assert {name: float(values[i]) for name, values in arrays.items()} == pytest.approx(one, nan_ok=True)


@given(MATRICES, st.permutations(range(3)))
def test_the_order_of_the_classes_does_not_matter(matrix: np.ndarray, order: list[int]) -> None:
    found = figures(matrix, NAMES, (0, 1, 2))
    shuffled = figures(matrix[np.ix_(order, order)], [NAMES[i] for i in order], (0, 1, 2))
    assert shuffled == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("figure", ["kappa", "mcc"])
def test_agreement_beyond_chance_is_absent_where_there_is_one_class_only(figure: str) -> None:
    assert math.isnan(figures([[10**9, 0], [0, 0]], ("a", "b"), (0, 1))[figure])


def test_the_wrong_number_of_axes_is_refused() -> None:
    with pytest.raises(ValueError, match="one matrix"):
        figures(np.zeros((2, 3, 3)), NAMES, (0,))
