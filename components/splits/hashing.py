"""Splits by shares: a tile's id alone decides, so that no tile moves when others come or go."""

import hashlib
from collections.abc import Mapping

from components.tile_source import SPLITS, Split


def unit_interval(*parts: str | int) -> float:
    """A number in [0, 1) that looks random and depends on the parts alone: the first 53 bits of their SHA-256."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def split_by_share(tile: str, shares: Mapping[Split, float]) -> Split:
    """The split of a tile when each split takes its share of all tiles there could be.

    Args:
        tile: The tile's id.
        shares: Shares that sum to 1; of few tiles, each split gets its share only about.
    """
    place, reached = unit_interval(tile), 0.0
    given: list[Split] = [split for split in SPLITS if shares.get(split, 0) > 0]
    for split in given:
        reached += shares[split]
        if place < reached:
            return split
    return given[-1]  # the shares' rounded sum fell short of 1
