"""Numbers that nothing can be measured with are refused on a benchmark's command line."""

import argparse
from collections.abc import Callable

import pytest

from benchmarks.arguments import overlap_share, positive_float, positive_int


@pytest.mark.parametrize(
    ("kind", "sound", "wrong"),
    [
        (positive_int, {"1": 1, "400": 400}, ["0", "-3", "1.5", "x", ""]),
        (positive_float, {"0.25": 0.25, "2": 2.0}, ["0", "-1", "nan", "inf", "x"]),
        (overlap_share, {"0": 0.0, "0.9": 0.9}, ["0.95", "-0.1", "nan", "x"]),
    ],
)
def test_numbers_are_read_and_others_refused(
    kind: Callable[[str], float], sound: dict[str, float], wrong: list[str]
) -> None:
    assert {text: kind(text) for text in sound} == sound
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{text} is no"):
            kind(text)
