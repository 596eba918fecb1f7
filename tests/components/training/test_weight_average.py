import keras
import numpy as np
import pytest

from components.training.weight_average import WeightAverage


def network() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])


def test_the_average_follows_the_weights_and_the_statistics_by_the_formula():
    model, other = network(), network()
    average = WeightAverage(model, other, 0.8)
    for started, value in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(started, value)
    expected = [w.astype(np.float64) for w in model.get_weights()]
    rng = np.random.default_rng(0)
    for step in range(50):
        weights = [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
        model.set_weights(weights)
        average.update(step)
        keep = min(0.8, (1 + step) / (10 + step))
        expected = [keep * e + (1 - keep) * w for e, w in zip(expected, weights, strict=True)]
    for found, value in zip(other.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="zip"):
        WeightAverage(network(), keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), 0.9)
