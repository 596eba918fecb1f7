from typing import Any

import numpy as np
import pytest

from components.mapping.augmentation import TURNS
from components.mapping.map_options import MapOptions
from tests.components.mapping.memory_tile import LazyScorer, MemoryTile, contract_of, own_pixel, scores_of

IMAGE = np.random.default_rng(0).integers(1, 256, (40, 52, 3), np.uint8)


@pytest.mark.parametrize(("augment", "count"), [("none", 1), ("flips", 4), ("d4", 8)])
def test_every_turn_is_another_and_is_turned_back_exactly(augment: Any, count: int) -> None:
    patch = np.arange(5 * 5 * 2).reshape(5, 5, 2)
    shown = [turn.of_patch(patch) for turn in TURNS[augment]]
    assert len({view.tobytes() for view in shown}) == count
    for turn, view in zip(TURNS[augment], shown, strict=True):
        np.testing.assert_array_equal(turn.back(view), patch)


@pytest.mark.parametrize("augment", ["flips", "d4"])
def test_each_is_a_group(augment: Any) -> None:
    patch = np.arange(9).reshape(3, 3)
    shown = {turn.of_patch(patch).tobytes() for turn in TURNS[augment]}
    for first in TURNS[augment]:
        for second in TURNS[augment]:
            assert second.of_patch(first.of_patch(patch)).tobytes() in shown


def leftward(patch: np.ndarray) -> np.ndarray:
    """Minds where left is: the score falls from 200 at a patch's left edge, a step a column."""
    return np.broadcast_to(200 - np.arange(patch.shape[1], dtype=np.uint8)[:, None], patch.shape)


@pytest.mark.parametrize("augment", ["none", "flips", "d4"])
@pytest.mark.parametrize("patches", [1, 3, 16])
def test_a_network_that_minds_no_turn_gives_the_same_scores(augment: Any, patches: int) -> None:
    options = MapOptions(augment=augment)
    scores = scores_of(MemoryTile(IMAGE), contract_of(16), LazyScorer(own_pixel, patches), options)
    np.testing.assert_allclose(scores, IMAGE, atol=0.01)


@pytest.mark.parametrize("augment", ["flips", "d4"])
def test_what_a_network_says_of_left_and_right_is_averaged_away(augment: Any) -> None:
    # 200 - column and 200 - (15 - column), and with d4 the same of rows: 192.5 in the mean.
    scores = scores_of(MemoryTile(IMAGE), contract_of(16), LazyScorer(leftward), MapOptions(augment=augment))
    np.testing.assert_allclose(scores, 200 - 7.5, atol=0.01)
