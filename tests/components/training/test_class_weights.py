from types import SimpleNamespace

import numpy as np
import pytest

from components.errors import ConfigError, DataError
from components.training.class_weights import class_weights, effective_number_weights, median_frequency_weights
from components.training.options import TrainingOptions

STATISTICS = SimpleNamespace(
    records=3,
    class_pixels=np.array([500.0, 10.0, 100.0, 0.0]),
    class_patch_pixels=np.array([1000.0, 100.0, 400.0, 0.0]),
)
NAMES = ("a", "b", "c", "d")


def test_median_frequency_balancing():
    # Frequencies 0.5, 0.1, 0.25; their median is 0.25. The fourth class is absent, the fifth cut.
    pixels = np.array([500.0, 10.0, 100.0, 0.0])
    patch_pixels = np.array([1000.0, 100.0, 400.0, 0.0])
    np.testing.assert_allclose(median_frequency_weights(pixels, patch_pixels, 10.0), [0.5, 2.5, 1.0, 1.0])
    np.testing.assert_allclose(median_frequency_weights(pixels, patch_pixels, 2.0), [0.5, 2.0, 1.0, 1.0])
    np.testing.assert_array_equal(median_frequency_weights(np.zeros(2), np.zeros(2), 10.0), [1, 1])


def test_the_effective_number_of_samples():
    # beta 0.5: 1 pixel counts as 1, 2 as 1 + 0.5, 3 as 1 + 0.5 + 0.25; the fourth class is absent.
    inverse = np.array([1 / 1, 1 / 1.5, 1 / 1.75])
    found = effective_number_weights(np.array([1.0, 2.0, 3.0, 0.0]), 0.5, 10.0)
    np.testing.assert_allclose(found, [*(inverse / inverse.mean()), 1.0], rtol=1e-6)
    # Far below 1 / (1 - beta) pixels it is the inverse frequency, far above it all classes are alike.
    rare = effective_number_weights(np.array([10.0, 20.0]), 1 - 1e-9, 10.0)
    np.testing.assert_allclose(rare, [4 / 3, 2 / 3], rtol=1e-4)
    np.testing.assert_allclose(effective_number_weights(np.array([1e6, 5e6]), 0.99, 10.0), [1, 1])
    assert effective_number_weights(np.array([1.0, 1e6]), 1 - 1e-6, 1.5).max() == 1.5


def test_a_configuration_chooses_the_weights():
    def weights(**options: object) -> list[float]:
        return class_weights(TrainingOptions(**options), STATISTICS, NAMES).tolist()

    assert weights() == pytest.approx([0.5, 2.5, 1.0, 1.0])
    assert weights(class_weights="none") == [1, 1, 1, 1]
    assert weights(class_weights={"c": 3, "a": 0}) == [0, 1, 3, 1]
    assert weights(class_weights="effective_number", effective_number_beta=0.5)[1] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ConfigError, match="names car"):
        weights(class_weights={"car": 3})
    with pytest.raises(ValueError, match="names car; the classes are a, b"):
        TrainingOptions(class_weights={"car": 3}).check_classes(["a", "b"])


def test_weights_with_which_nothing_is_learnt_are_refused():
    nothing = {"a": 0, "b": 0, "c": 0}
    with pytest.raises(ConfigError, match="0 to every class that the training split shows") as caught:
        class_weights(TrainingOptions(class_weights=nothing), STATISTICS, NAMES)
    assert caught.value.expected.endswith("a, b, c")  # d is absent: a weight for it changes nothing
    # Dice asks for no weights.
    assert class_weights(TrainingOptions(class_weights=nothing, loss="dice"), STATISTICS, NAMES).tolist() == [
        0,
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("kind", ["median_frequency", "effective_number", "none"])
def test_a_split_without_labels_is_refused(kind: str):
    unlabelled = SimpleNamespace(records=2, class_pixels=np.zeros(4), class_patch_pixels=np.zeros(4))
    with pytest.raises(DataError, match="none of the 2 training patches has a pixel of any class"):
        class_weights(TrainingOptions(class_weights=kind), unlabelled, NAMES)
