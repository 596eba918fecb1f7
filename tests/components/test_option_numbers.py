"""Numbers that 32 bits cannot hold are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.option_numbers import FLOAT32_LARGEST, FLOAT32_SMALLEST, NonNegativeFloat32, PositiveFloat32
from components.options import Options


class Example(Options):
    weight: NonNegativeFloat32 = 0.0
    rate: PositiveFloat32 = 1.0


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_what_becomes_infinite_or_nothing_in_float32_is_refused(value: float) -> None:
    for key, zero in (("weight", True), ("rate", False)):
        if FLOAT32_SMALLEST <= value <= FLOAT32_LARGEST or (value == 0 and zero):
            assert getattr(Example.model_validate({key: value}), key) == value
        else:
            with pytest.raises(ValidationError, match=r"no number in float32|greater than 0"):
                Example.model_validate({key: value})


def test_what_is_taken_is_a_normal_number_there() -> None:
    with np.errstate(over="ignore"):
        assert np.isfinite(np.float32(FLOAT32_LARGEST))
        assert np.isinf(np.float32(1.01 * FLOAT32_LARGEST))
        assert np.finfo(np.float32).smallest_normal < np.float32(FLOAT32_SMALLEST)
