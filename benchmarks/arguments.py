"""Numbers on the command lines of benchmarks: one that nothing can be measured with is refused by argparse itself."""

import argparse


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return number


def positive_float(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return number


def overlap_share(text: str) -> float:
    """A share of a patch, at least 0 and below 0.95."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 0.95:
        raise argparse.ArgumentTypeError(f"{text} is no share of at least 0 and below 0.95")
    return number
