"""The shift probe against what was planted, and against what is no shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.geo.window import Window
from components.label_validation.facts import ShiftFacts
from components.label_validation.shift import REACH, ShiftProbe, chance
from tests.components.label_validation.scenes import patchwork, photo

SIDE = 352


def probe(pixels: NDArray, ids: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> ShiftFacts | None:
    shift = ShiftProbe(Window(0, 0, *ids.shape), 3)
    shift.add(pixels, valid, ids, 0)
    return shift.facts()


def moved(ids: NDArray[np.uint8], rows: int, cols: int) -> NDArray[np.uint8]:
    wide = np.pad(ids, REACH, mode="edge")
    height, width = ids.shape
    return wide[REACH - rows : REACH - rows + height, REACH - cols : REACH - cols + width]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20), st.integers(-12, 12), st.integers(-12, 12))
def test_the_best_translation_undoes_what_was_planted(seed: int, rows: int, cols: int) -> None:
    ids = patchwork(seed, SIDE)
    facts = probe(photo(ids, seed), moved(ids, rows, cols))
    assert facts is not None
    assert max(abs(facts.rows + rows), abs(facts.cols + cols)) <= 1
    if max(abs(rows), abs(cols)) >= 4:
        assert chance(facts) < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_a_label_that_has_nothing_to_do_with_the_image_is_not_called_shifted(seed: int) -> None:
    facts = probe(photo(patchwork(seed, SIDE), seed), patchwork(seed + 100, SIDE))
    assert facts is not None
    assert chance(facts) > 0.01 or facts.excess_best < 0.1


def test_noise_is_not_called_shifted() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    facts = probe(pixels, patchwork(0, SIDE))
    assert facts is not None
    assert facts.excess_best < 0.1


def test_the_rim_of_nodata_is_no_edge() -> None:
    ids = patchwork(0, SIDE)
    pixels = photo(ids, 0).astype(np.float32)
    valid = np.ones(ids.shape, np.bool_)
    # Holes with hard rims everywhere, three pixels beside the label's edges
    valid[moved((np.indices(ids.shape).sum(axis=0) // 40 % 2).astype(np.uint8), 3, 3) > 0] = False
    pixels[~valid] = np.nan
    facts = probe(pixels, ids, valid)
    assert facts is not None
    assert max(abs(facts.rows), abs(facts.cols)) <= 1


@pytest.mark.parametrize("shape", [(40, 50), (100, 500)])
def test_a_small_tile_says_nothing(shape: tuple[int, int]) -> None:
    assert probe(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)) is None


def test_one_class_has_no_edges() -> None:
    assert probe(np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.uint8)) is None
