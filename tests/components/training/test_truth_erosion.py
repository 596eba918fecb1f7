"""Eroded truth in the graph against the one of whole tiles."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classes import VOID_ID
from components.evaluation.erosion import erode_boundaries
from components.training.truth_erosion import eroded_label


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_a_patch_is_eroded_as_a_tile_of_its_size_is(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 1, 5, VOID_ID], (3, 4, 4)).astype(np.uint8)
    label = np.kron(coarse, np.ones((1, 5, 5), np.uint8))
    expected = np.stack([erode_boundaries(patch, radius) for patch in label])
    np.testing.assert_array_equal(eroded_label(tf.constant(label), radius).numpy(), expected)
