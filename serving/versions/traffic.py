"""Which version a tile is given to while a canary is on trial: decided by the tile's name, the same on every machine.

A tile's place is its hash, in percent; the canary has those below its share. So the same tile is always predicted by
the same version, and a larger share takes tiles from the stable version and gives none back.
"""

import hashlib

from serving.versions.registry import CANARY, STABLE

_STEPS = 2**64


def place_of(tile: str) -> float:
    """Where a tile lies among all, 0 to below 100: BLAKE2b of its name."""
    digest = hashlib.blake2b(tile.encode("utf-8", "surrogateescape"), digest_size=8, person=b"eoseg-canary").digest()
    # The sixty-four bits do not fit a float: rounding up would give 100, which no share includes.
    return min(int.from_bytes(digest, "big") / _STEPS * 100, 99.999999)


def label_for(tile: str, percent: float) -> str:
    """`canary` for the tiles of its share, else `stable`.

    Args:
        tile: The tile's name, without folders that differ between machines.
        percent: The canary's share, 0 to 100.
    """
    return CANARY if place_of(tile) < percent else STABLE
