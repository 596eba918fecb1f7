import numpy as np
import pytest

from components.classes import UNKNOWN_ID, VOID_ID
from components.training.losses import median_frequency_weights, weighted_cross_entropy


def oracle(logits: np.ndarray, label: np.ndarray, weights: np.ndarray) -> float:
    terms = []
    for values, class_id in zip(logits.reshape(-1, logits.shape[-1]).astype(np.float64), label.ravel(), strict=True):
        if class_id < len(weights):
            terms.append(-weights[class_id] * (values[class_id] - np.log(np.exp(values).sum())))
    return float(np.mean(terms)) if terms else 0.0


def test_the_loss_equals_the_formula_and_leaves_void_out():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 6, 4)).astype(np.float32)
    label = rng.integers(0, 4, (2, 5, 6)).astype(np.uint8)
    label[0, :3], label[1, 0] = VOID_ID, UNKNOWN_ID
    weights = np.array([0.5, 1.0, 2.0, 7.0], np.float32)
    assert float(weighted_cross_entropy(logits, label, weights)) == pytest.approx(
        oracle(logits, label, weights), rel=1e-5
    )
    logits[0, :3] = 1e4  # what a network says of void pixels changes nothing
    assert float(weighted_cross_entropy(logits, label, weights)) == pytest.approx(
        oracle(logits, label, weights), rel=1e-5
    )


def test_a_batch_of_void_costs_nothing():
    assert float(weighted_cross_entropy(np.ones((1, 2, 2, 3)), np.full((1, 2, 2), VOID_ID), np.ones(3))) == 0.0


def test_even_logits_cost_the_logarithm_of_the_class_count():
    loss = weighted_cross_entropy(np.zeros((1, 3, 3, 5), np.float32), np.zeros((1, 3, 3), np.uint8), np.ones(5))
    assert float(loss) == pytest.approx(np.log(5))


def test_median_frequency_balancing():
    # Frequencies 0.5, 0.1, 0.25; their median is 0.25. The fourth class is absent, the fifth cut.
    pixels = np.array([500.0, 10.0, 100.0, 0.0])
    patch_pixels = np.array([1000.0, 100.0, 400.0, 0.0])
    np.testing.assert_allclose(median_frequency_weights(pixels, patch_pixels, 10.0), [0.5, 2.5, 1.0, 1.0])
    np.testing.assert_allclose(median_frequency_weights(pixels, patch_pixels, 2.0), [0.5, 2.0, 1.0, 1.0])
    np.testing.assert_array_equal(median_frequency_weights(np.zeros(2), np.zeros(2), 10.0), [1, 1])
