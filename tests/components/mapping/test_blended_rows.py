import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.classes import VOID_ID
from components.mapping.blended_rows import BlendedRows


@given(st.integers(2, 254), st.integers(0, 99))
def test_the_class_is_the_arg_max_and_the_first_of_equals(classes: int, seed: int) -> None:
    sums = np.random.default_rng(seed).integers(1, 6, (classes, 3, 7)).astype(np.float32)
    valid = np.random.default_rng(seed).random((3, 7)) < 0.7
    rows = BlendedRows(0, sums, np.ones((1, 1), np.float32), valid)
    np.testing.assert_array_equal(rows.class_ids(), np.where(valid, sums.argmax(0), VOID_ID))


def test_confidence_is_percent_and_scores_are_254ths() -> None:
    # Sums of weight 2: the scores are 255, 127.5 and 51 of 255, which are 100, 50 and 20 percent.
    sums = np.float32([[[510, 255, 102, 510]], [[0, 250, 40, 0]]])
    weights = np.full((1, 4), 2, np.float32)
    rows = BlendedRows(0, sums, weights, np.array([[True, True, True, False]]))
    assert rows.confidence().tolist() == [[100, 50, 20, 255]]
    assert rows.scores()[0].tolist() == [[254, 127, 51, 255]]  # 254 * 0.2 = 50.8
    assert rows.class_ids().tolist() == [[0, 0, 0, 255]]


def test_a_valid_pixel_that_nobody_scored_is_nodata() -> None:
    rows = BlendedRows(0, np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32), np.ones((1, 1), np.bool_))
    assert (rows.class_ids()[0, 0], rows.confidence()[0, 0], rows.scores()[1, 0, 0]) == (VOID_ID, 255, 255)
