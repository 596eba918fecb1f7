import gc
import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classes import VOID_ID
from components.errors import RasterError
from components.geo.raster import Raster
from components.geo.window import Window
from components.mapping.map_options import MapOptions
from components.mapping.patch_axis import BLENDS
from components.mapping.score_rows import ScoringError, blended_rows
from tests.components.mapping.memory_tile import (
    LazyScorer,
    MemoryTile,
    class_ids_of,
    contract_of,
    own_pixel,
    scores_of,
)

sizes = st.integers(1, 60)
patch_sizes = st.integers(4, 24)
overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75])
blends = st.sampled_from(BLENDS)


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), np.uint8)


REACH = 2
_KERNELS = np.random.default_rng(1).normal(size=(2, 3, 3, 3, 3))


def small_network(patch: np.ndarray) -> np.ndarray:
    """Two 3 x 3 convolutions with zeros around the patch, as networks pad: a pixel's answer depends on 2 around it."""
    values = patch / 255
    for kernel in _KERNELS:
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        shape = values.shape
        values = sum(
            padded[i : i + shape[0], j : j + shape[1]] @ kernel[i, j] for i, j in itertools.product(range(3), range(3))
        )
        values = np.maximum(values, 0)
    return np.clip(np.rint(values * 20), 1, 255).astype(np.uint8)


@given(sizes, sizes, patch_sizes, overlaps, blends, st.integers(1, 9), st.integers(1, 9), st.data())
def test_the_map_is_each_pixels_best_class_however_patches_are_asked_for(
    height: int, width: int, size: int, overlap: float, blend: Any, patches: int, waiting: int, data: st.DataObject
) -> None:
    image = scene(height, width)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scorer = LazyScorer(own_pixel, patches, waiting, lambda asked: [asked[i] for i in rng.permutation(len(asked))])
    options = MapOptions(overlap=overlap, blend=blend)
    np.testing.assert_array_equal(class_ids_of(MemoryTile(image), contract_of(size), scorer, options), image.argmax(-1))
    assert scorer.most_seen_waiting <= waiting


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), blends, st.sampled_from([1, 2]))
def test_scores_do_not_depend_on_requests_bit_by_bit(patches: int, waiting: int, blend: Any, factor: int) -> None:
    tile, contract, options = MemoryTile(scene(50, 70)), contract_of(16, factor), MapOptions(blend=blend)
    one = scores_of(tile, contract, LazyScorer(small_network, 1, 1), options)
    other = scores_of(tile, contract, LazyScorer(small_network, patches, waiting, lambda asked: asked[::-1]), options)
    np.testing.assert_array_equal(one, other)


@settings(max_examples=40)
@given(sizes, patch_sizes, overlaps, blends, st.sampled_from([1, 2, 3]), st.data())
def test_a_map_made_in_two_goes_is_the_same_bit_by_bit(
    height: int, size: int, overlap: float, blend: Any, factor: int, data: st.DataObject
) -> None:
    image = scene(height + factor, 40)
    valid = np.random.default_rng(5).random(image.shape[:2]) < 0.8
    tile, contract = MemoryTile(image, valid), contract_of(size, factor)
    options = MapOptions(overlap=overlap, blend=blend)
    whole = scores_of(tile, contract, LazyScorer(small_network), options)
    first_row = data.draw(st.integers(0, len(image) - 1))
    rest = scores_of(tile, contract, LazyScorer(small_network), options, first_row)
    np.testing.assert_array_equal(rest, whole[first_row:])
    np.testing.assert_array_equal(
        class_ids_of(tile, contract, LazyScorer(small_network), options, first_row),
        class_ids_of(tile, contract, LazyScorer(small_network), options)[first_row:],
    )


def test_the_second_go_asks_only_for_what_is_missing() -> None:
    scorer = LazyScorer(own_pixel)
    class_ids_of(MemoryTile(scene(64, 16)), contract_of(16), scorer, MapOptions(overlap=0), 40)
    assert scorer.patches == 2  # at rows 32 and 48


@settings(max_examples=20)
@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from([0.3, 0.5]))
def test_the_interior_is_what_one_pass_over_the_whole_scene_gives(row: int, col: int, overlap: float) -> None:
    # Patches of 16 that keep their centre lose at least (16 - 11) // 2 = 2 pixels a side: as far as the network sees.
    image = scene(90, 80)
    whole = small_network(image)
    tile = MemoryTile(image[row:, col:])
    options = MapOptions(overlap=overlap, blend="centre")
    blended = scores_of(tile, contract_of(16), LazyScorer(small_network), options)
    inside = slice(REACH, -REACH)
    np.testing.assert_allclose(blended[inside, inside], whole[row:, col:][inside, inside], atol=1e-3)


def test_hann_lets_least_of_the_patches_edges_through_after_the_centre_alone() -> None:
    image = scene(80, 96)
    whole, errors = small_network(image), {}
    for blend in BLENDS:
        options = MapOptions(overlap=0.5, blend=blend)
        blended = scores_of(MemoryTile(image), contract_of(16), LazyScorer(small_network), options)
        errors[blend] = np.abs(blended - whole)[8:-8, 8:-8].mean()
    assert errors["centre"] < 1e-3
    # Of 8 rows between patches, a patch's outermost two are wrong. Flat gives them 1/2; Hann sin^2(pi / 32) = 0.01 and
    # sin^2(3 pi / 32) = 0.08.
    assert 0 < errors["hann"] < errors["flat"] / 4


@given(blends, overlaps, st.integers(5, 40), st.integers(5, 40))
def test_the_map_does_not_depend_on_where_the_tile_begins(blend: Any, overlap: float, row: int, col: int) -> None:
    image = scene(90, 85, seed=3)
    options = MapOptions(overlap=overlap, blend=blend)
    whole = scores_of(MemoryTile(image), contract_of(12), LazyScorer(own_pixel), options)
    part = scores_of(MemoryTile(image[row:, col:]), contract_of(12), LazyScorer(own_pixel), options)
    np.testing.assert_allclose(part, whole[row:, col:], atol=1e-2)


@given(st.integers(3, 40), st.integers(3, 40), st.sampled_from([1, 2, 3]))
def test_nodata_is_nodata_and_nothing_else_is(height: int, width: int, factor: int) -> None:
    image = scene(height, width)
    valid = np.random.default_rng(height).random((height, width)) < 0.5
    valid[: height // 2] = False
    tile = MemoryTile(image, valid)
    class_ids = class_ids_of(tile, contract_of(8, factor), LazyScorer(own_pixel), MapOptions())
    if factor == 1:
        np.testing.assert_array_equal(class_ids, np.where(valid, image.argmax(-1), VOID_ID))
    else:
        assert (class_ids[~valid] == VOID_ID).all()


def test_patches_of_nodata_alone_are_not_asked_for() -> None:
    valid = np.zeros((64, 64), np.bool_)
    valid[50, 60] = True
    scorer = LazyScorer(own_pixel)
    class_ids = class_ids_of(MemoryTile(scene(64, 64), valid), contract_of(16), scorer, MapOptions(overlap=0))
    assert scorer.patches == 1
    assert np.count_nonzero(class_ids != VOID_ID) == 1


def test_nan_reaches_no_network() -> None:
    image = scene(30, 30).astype(np.float32)
    image[4:9, 5, 1] = np.nan

    def finite(patch: np.ndarray) -> np.ndarray:
        assert np.isfinite(patch).all()
        return own_pixel(patch).astype(np.uint8)

    valid = np.isfinite(image).all(-1)
    class_ids = class_ids_of(
        MemoryTile(image, valid), contract_of(8, dtype="float32"), LazyScorer(finite), MapOptions()
    )
    np.testing.assert_array_equal(class_ids == VOID_ID, ~valid)


def test_who_does_not_score_is_named_with_the_window() -> None:
    calls = []

    def breaks(patch: np.ndarray) -> np.ndarray:
        calls.append(patch)
        if len(calls) > 5:
            raise OSError("the cable is out")
        return own_pixel(patch)

    with pytest.raises(
        ScoringError, match=r"memory\.tif, rows 16 to 31, columns 0 to 31: OSError: the cable"
    ) as caught:
        for _ in blended_rows(
            MemoryTile(scene(64, 64)), contract_of(16), LazyScorer(breaks, 2, 1), MapOptions(overlap=0)
        ):
            pass
    assert isinstance(caught.value.__cause__, OSError)


def test_a_tile_that_does_not_fit_the_model_is_refused() -> None:
    for pixels, message in (
        (np.zeros((9, 9, 2), np.uint8), "2 band"),
        (np.zeros((9, 9, 3), np.uint16), "type uint16"),
        (np.zeros((1, 9, 3), np.uint8), "1 x 9 pixels"),
    ):
        with pytest.raises(RasterError, match=message):
            next(blended_rows(MemoryTile(pixels), contract_of(8, 2), LazyScorer(own_pixel), MapOptions()))


def test_the_tile_is_read_once_and_by_one_reader_at_a_time() -> None:
    class Watched(MemoryTile):
        reading = False
        rows = 0

        def read(self, window: Window, downsample: int = 1) -> Raster:
            assert not self.reading
            self.reading = True
            time.sleep(0.001)
            self.rows += window.height
            self.reading = False
            return super().read(window, downsample)

    for factor, times in ((1, 1), (2, 2)):  # with coarser patches, once for their pixels and once for nodata
        tile = Watched(scene(120, 40))
        class_ids_of(tile, contract_of(16, factor), LazyScorer(own_pixel), MapOptions())
        assert tile.rows == 120 * times


def test_an_error_of_the_reader_comes_through_and_no_thread_stays() -> None:
    class Torn(MemoryTile):
        def read(self, window: Window, downsample: int = 1) -> Raster:
            if window.row > 40:
                raise RasterError("the file ends here")
            return super().read(window, downsample)

    before = threading.active_count()
    with pytest.raises(RasterError, match="ends here"):
        class_ids_of(Torn(scene(120, 40)), contract_of(16), LazyScorer(own_pixel), MapOptions())
    for rows in blended_rows(MemoryTile(scene(120, 40)), contract_of(16), LazyScorer(own_pixel), MapOptions()):
        assert rows.row == 0
        break  # given up half-way
    gc.collect()
    assert threading.active_count() == before
