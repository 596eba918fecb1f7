"""Bins depend on the dtype alone, ascend with the value, and are narrow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.drift.value_bins import DTYPES, bin_counts, code_count, count_codes, lower_value
from components.errors import DataError


def bins_of(values: np.ndarray) -> tuple[list[int], list[int]]:
    bins, counts = bin_counts(count_codes(values), values.dtype.name)
    return bins.tolist(), counts.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_bins_ascend_with_the_value_and_hold_less_than_one_percent_of_it(dtype: str) -> None:
    @given(st.data())
    def check(data: st.DataObject) -> None:
        elements = st.floats(-(2.0**99), 2.0**99, width=32) if dtype == "float32" else None
        values = np.sort(data.draw(hnp.arrays(dtype, st.integers(1, 20), elements=elements)))
        places = [bins_of(values[i : i + 1])[0][0] for i in range(len(values))]
        assert places == sorted(places)
        for value, place in zip(values.astype(float), places, strict=True):
            near = lower_value(place, dtype)
            assert abs(near) <= abs(value)
            assert abs(value) - abs(near) <= max(abs(value) / 128, 2**-10)
        assert sum(bins_of(values)[1]) == len(values)

    check()


def test_whole_numbers_up_to_128_have_bins_of_their_own() -> None:
    for dtype in ("uint8", "uint16", "int16", "float32"):
        values = np.arange(129, dtype=dtype)
        assert bins_of(values)[1] == [1] * 129
        assert [lower_value(place, dtype) for place in bins_of(values)[0]] == values.tolist()


def test_what_is_no_number_is_in_no_bin() -> None:
    assert bins_of(np.array([np.nan, np.inf, -np.inf, -2, 1e-9, -1e-9], np.float32)) == (
        bins_of(np.array([-2, 0, 0], np.float32))
    )


def test_a_dtype_that_records_cannot_have_is_refused() -> None:
    with pytest.raises(DataError, match="float64"):
        code_count("float64")
