"""Shares are kept on the whole, and no tile moves when others come."""

import numpy as np
import pytest

from components.splits.hashing import split_by_share, unit_interval
from components.tile_source import Split

SHARES: dict[Split, float] = {"train": 0.7, "eval": 0.1, "test": 0.2}


def test_each_split_gets_its_share() -> None:
    splits = [split_by_share(f"tile {i}", SHARES) for i in range(4000)]
    for split, share in SHARES.items():
        # Four standard deviations of a binomial share of 4000.
        assert splits.count(split) / 4000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def test_a_larger_share_of_train_takes_tiles_in_and_gives_none_away() -> None:
    larger: dict[Split, float] = {"train": 0.8, "eval": 0.1, "test": 0.1}
    for i in range(500):
        if split_by_share(f"tile {i}", SHARES) == "train":
            assert split_by_share(f"tile {i}", larger) == "train"


def test_a_split_without_share_gets_no_tile() -> None:
    assert {split_by_share(str(i), {"train": 0.5, "test": 0.5}) for i in range(100)} == {"train", "test"}


def test_the_split_of_a_tile_is_the_same_for_ever() -> None:
    # Written down once: another hash would move the tiles of every data set that has no registry.
    assert [split_by_share(tile, SHARES) for tile in ("a", "b", "0", "2")] == ["eval", "train", "train", "test"]


def test_numbers_are_spread_over_the_unit_interval() -> None:
    numbers = [unit_interval("x", i) for i in range(1000)]
    assert min(numbers) >= 0
    assert max(numbers) < 1
    assert np.histogram(numbers, 10, (0, 1))[0].min() > 60
