"""Bins of pixel values that depend on nothing but the dtype, so that histograms made anywhere can be compared.

Bytes have a bin each. Of all other dtypes, a value's bin is its sign, its power of two and the first seven bits of its
mantissa: less than 1 / 128 of the value wide (what the number format bfloat16 keeps), whole numbers up to 128 alone.
Nothing need be known of a sensor's range. Magnitudes below 2 ** -10 are one bin, number 0; bins ascend with the value.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError

DTYPES = ("uint8", "uint16", "int16", "float32")
"""Those that records can have."""

_KEPT_BITS = 16
_SIGN = 0x8000
_MAGNITUDE = 0x7FFF
_LEAST = (127 - 10) << 7
"""The upper sixteen bits of 2 ** -10 as a float32."""
_NOT_FINITE = 0x7F80


def code_count(dtype: str) -> int:
    """How many codes there are: the length of a `count_codes`.

    Raises:
        DataError: If records cannot have the dtype.
    """
    if dtype not in DTYPES:
        raise DataError(f"pixels of type {dtype}", f"one of {', '.join(DTYPES)}", "give a tile that the model can see")
    return 256 if dtype == "uint8" else 1 << 16


def count_codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """`(code_count,)` how often each code occurs: the cheap part of counting, for `bin_counts` to sort out once.

    Args:
        values: `(n,)` of one of `DTYPES`.
    """
    dtype = values.dtype.name
    size = code_count(dtype)
    codes: NDArray[Any] = values
    if dtype == "int16":
        codes = values.view(np.uint16)
    elif dtype == "float32":
        codes = np.ascontiguousarray(values).view(np.uint32) >> _KEPT_BITS
    return np.bincount(codes, minlength=size)


def bin_counts(counts: NDArray[np.int64], dtype: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The bins that hold pixels, ascending, and how many each holds.

    Args:
        counts: `(code_count,)`, sums of `count_codes`.
        dtype: Of the values.

    Returns:
        `(n,)` bin numbers and `(n,)` counts; NaN and infinities are in no bin.
    """
    found = np.flatnonzero(counts)
    if dtype == "float32":
        found = found[(found & _NOT_FINITE) != _NOT_FINITE]
    bins, place = np.unique(_bin_of_code(dtype)[found], return_inverse=True)
    total = np.zeros(len(bins), np.int64)
    np.add.at(total, place, counts[found])
    return bins, total


def lower_value(bin_number: int, dtype: str) -> float:
    """The value of a bin that lies next to zero."""
    if dtype == "uint8" or bin_number == 0:
        return float(bin_number)
    bits = np.uint32((abs(bin_number) - 1 + _LEAST) << _KEPT_BITS)
    magnitude = float(np.array([bits], np.uint32).view(np.float32)[0])
    return magnitude if bin_number > 0 else -magnitude


@lru_cache(maxsize=len(DTYPES))
def _bin_of_code(dtype: str) -> NDArray[np.int64]:
    codes = np.arange(code_count(dtype), dtype=np.int64)
    if dtype == "uint8":
        return codes
    if dtype != "float32":
        values = codes.astype(np.uint16).view(dtype).astype(np.float32)
        codes = (values.view(np.uint32) >> _KEPT_BITS).astype(np.int64)
    magnitude = np.maximum((codes & _MAGNITUDE) - _LEAST + 1, 0)
    return np.where(codes & _SIGN, -magnitude, magnitude)
