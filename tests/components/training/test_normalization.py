from pathlib import Path

import keras
import numpy as np
import pytest

from components.training.normalization import InputNormalization


def test_bands_are_centred_and_scaled():
    layer = InputNormalization(mean=[100, 1000], stddev=[10, 0])
    image = np.array([[[[120, 1003], [95, 1000]]]], np.uint16)
    np.testing.assert_allclose(layer(image), [[[[2.0, 3.0], [-0.5, 0.0]]]])


def test_markers_of_nodata_do_not_drown_their_neighbours():
    image = np.array([[[[np.nan], [-9999.0], [np.inf], [5.0]]]], np.float32)
    np.testing.assert_allclose(InputNormalization([3], [2])(image), [[[[0.0], [-10.0], [0.0], [1.0]]]])


def test_large_numbers_keep_their_precision_under_mixed_precision():
    # bfloat16 cannot tell 10000 from 10020.
    layer = InputNormalization([10000], [20], dtype="mixed_bfloat16")
    normalized = layer(np.array([[[[10020.0]]]], np.float32))
    assert normalized.dtype == "bfloat16"
    assert float(normalized[0, 0, 0, 0]) == 1.0


def test_it_is_saved_with_the_model(tmp_path: Path):
    image = keras.Input((2, 2, 1), dtype="uint8")
    keras.Model(image, InputNormalization([10], [5])(image)).save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded(np.full((1, 2, 2, 1), 20, np.uint8)), np.full((1, 2, 2, 1), 2.0))


def test_one_mean_and_one_deviation_a_band():
    with pytest.raises(ValueError, match="2 means and 1 deviations"):
        InputNormalization([1, 2], [1])
