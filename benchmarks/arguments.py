"""Numbers on the command lines of benchmarks: one that nothing can be measured with is refused by argparse itself."""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    return _read(text, int, lambda number: number >= 1, "whole number of at least 1")


def positive_float(text: str) -> float:
    """A finite number above 0."""
    return _read(text, float, lambda number: 0 < number < math.inf, "number above 0")


def overlap_share(text: str) -> float:
    """A share of a patch, at least 0 and below 0.95."""
    return _read(text, float, lambda number: 0 <= number < 0.95, "share of at least 0 and below 0.95")


def _read(text: str, kind: Callable[[str], Number], sound: Callable[[Number], bool], wanted: str) -> Number:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not sound(number):
        raise argparse.ArgumentTypeError(f"{text} is no {wanted}")
    return number
