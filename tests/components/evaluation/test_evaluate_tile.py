"""Whole tiles as production maps them: the counts are those of the whole arrays, whatever the strips and the areas."""

import tracemalloc
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from components.contract import ModelContract
from components.errors import DataError
from components.evaluation.calibration import CONFIDENCE, MILLION
from components.evaluation.count_window import count_window
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.erosion import erode_boundaries
from components.evaluation.evaluate_tile import EvaluatedTile, TileEvaluationOptions, evaluate_tile
from components.evaluation.needed_pixels import NeededPixels
from components.evaluation.slices import worst_windows
from components.evaluation.tile_pictures import Layers, RowPicker
from components.evaluation.tile_products import (
    facts_from_json,
    facts_of,
    facts_to_json,
    pictures_from_npz,
    pictures_to_npz,
)
from components.geo.bands import BandSet
from components.geo.image import open_image
from components.geo.label_options import ColorLabels, IgnoreOptions
from components.geo.labels import LabelDecoder
from components.geo.window import Window
from components.mapping.map_options import MapOptions
from components.mapping.score_rows import blended_rows
from components.tile_source import TileSource
from tests.make_raster import write_raster

HEIGHT, WIDTH, PATCH = 75, 90, 16
TABLE = ClassTable(
    classes=(
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name="lawn", color=(0, 255, 0)),
        LandClass(name="road", color=(0, 0, 255)),
    )
)
OPTIONS = TileEvaluationOptions(
    maps=MapOptions(overlap=0.25), counting=CountingOptions(block_px=32, erosion_px=2, boundary_px=1), worst_windows=3
)


def contract(downsample: int = 1) -> ModelContract:
    return ModelContract(
        patch_size=PATCH, bands=("red", "green", "blue"), dtype="uint8", downsample=downsample, table=TABLE
    )


class BandScorer:
    """Class k scores what band k holds, less towards the patch's right edge: windows and blending show."""

    patches_per_request = 3
    most_waiting = 2

    def __init__(self) -> None:
        self.patches = 0

    def submit(self, patches: np.ndarray) -> "Future[np.ndarray]":
        self.patches += len(patches)
        fade = np.linspace(1, 0.2, PATCH)[:, None] * np.array([1, 0.9, 0.5])
        answer: Future[np.ndarray] = Future()
        answer.set_result(np.rint(patches * fade).astype(np.uint8))
        return answer


@pytest.fixture(scope="module")
def tile(tmp_path_factory: pytest.TempPathFactory) -> TileSource:
    """A tile of patches of three classes with noise, a nodata corner, and a truth that is void in another."""
    folder = tmp_path_factory.mktemp("tile")
    rng = np.random.default_rng(5)
    ids = np.kron(rng.integers(0, 3, (9, 9)), np.ones((9, 11))).astype(np.uint8)[:HEIGHT, :WIDTH]
    pixels = np.where(ids[..., None] == np.arange(3), 190, 60) + rng.integers(0, 60, (HEIGHT, WIDTH, 3))
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[50:, :20] = False
    truth = np.roll(ids, 2, axis=1)
    colors = encode_colors(truth, TABLE)
    colors[:12, 60:] = (9, 9, 9)  # no class
    image = write_raster(folder / "a.tif", pixels.astype(np.uint8), mask=valid)
    label = write_raster(folder / "a_label.tif", colors)
    columns = np.where(np.arange(WIDTH) % 5, 0, 1).astype(np.uint8)
    write_raster(folder / "a_ignore.tif", np.tile(columns, (HEIGHT, 1)))
    return TileSource(tile="a", image=str(image), label=str(label), split="test")


def run(parts: Sequence[TileSource], scorer: Any = None, **given: Any) -> EvaluatedTile:
    options = given.pop("options", OPTIONS)
    labels = LabelDecoder(TABLE, given.pop("labels", None))
    model = given.pop("contract", contract())
    return evaluate_tile(parts, model, scorer or BandScorer(), labels, options, **given)


def production(tile: TileSource, downsample: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Class ids and confidences of the whole tile's map."""
    ids, confidence = [], []
    with open_image(tile.all_rasters, BandSet.of_numbers((1, 2, 3))) as image:
        for rows in blended_rows(image, contract(downsample), BandScorer(), OPTIONS.maps):
            ids.append(rows.class_ids().copy())
            probability = rows.sums.max(axis=0) / (255 * rows.weights)
            confidence.append(np.broadcast_to(probability, ids[-1].shape).copy())
    return np.concatenate(ids), np.concatenate(confidence)


def oracle(
    tile: TileSource, areas: Sequence[Window] = (), ignored: np.ndarray | None = None, downsample: int = 1
) -> EvaluationCounts:
    """Counted on the whole arrays at once."""
    whole = Window(0, 0, HEIGHT, WIDTH)
    predicted, confidence = production(tile, downsample)
    with (
        open_image(tile.all_rasters, BandSet.of_numbers((1, 2, 3))) as image,
        LabelDecoder(TABLE).open(tile, image.grid) as label,
    ):
        truth = label.read(whole)
    truth[truth >= len(TABLE)] = VOID_ID
    eroded = erode_boundaries(truth, OPTIONS.counting.erosion_px)
    if ignored is not None:
        eroded = np.where(ignored, VOID_ID, truth).astype(np.uint8)
    counted = np.zeros(truth.shape, np.bool_)
    for area in areas or (whole,):
        counted[area.slices] = True
    counted &= predicted != VOID_ID
    truth[~counted], eroded[~counted] = VOID_ID, VOID_ID
    return count_window(
        "a", truth.shape, whole, whole, truth, predicted, 3, OPTIONS.counting, confidence=confidence,
        eroded_truth=eroded,
    )  # fmt: skip


def counted_units(counts: EvaluationCounts) -> EvaluationCounts:
    """Without the blocks in which nothing is counted."""
    held = {unit for unit, matrix in zip(counts.units, counts.confusion, strict=True) if matrix.any()}
    return counts.where(lambda unit: unit in held)


def test_the_counts_are_those_of_the_whole_arrays(tile: TileSource) -> None:
    found = run([tile])
    assert found.counts == oracle(tile)
    assert 0 < found.counts.eroded.sum() < found.counts.confusion.sum() < HEIGHT * WIDTH
    assert found.counts.reliability.sum(axis=(0, 1))[CONFIDENCE] > 0.2 * MILLION * found.counts.confusion.sum()


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, HEIGHT + 5))
def test_the_rows_counted_at_once_do_not_matter(tile: TileSource, rows: int) -> None:
    assert run([tile], strip_rows=rows).counts == oracle(tile)


def test_a_model_that_sees_coarser_pixels_is_counted_on_the_tiles_own(tile: TileSource) -> None:
    assert run([tile], contract=contract(downsample=2)).counts == oracle(tile, downsample=2)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_only_the_blocks_of_the_split_count_and_are_mapped_as_in_the_whole_tile(
    tile: TileSource, data: st.DataObject
) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, HEIGHT), min_size=4, max_size=4)))
    cols = sorted(data.draw(st.sets(st.integers(0, WIDTH), min_size=4, max_size=4)))
    areas = [
        Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0]),
        Window(rows[2], cols[2], rows[3] - rows[2], cols[3] - cols[2]),
    ]
    parts = [tile.model_copy(update={"tile": f"a/r{i}c{i}", "area": area}) for i, area in enumerate(areas)]
    downsample = data.draw(st.sampled_from([1, 2]))
    found = run(parts, strip_rows=data.draw(st.integers(3, 40)), contract=contract(downsample))
    assert found.tile == "a"
    assert counted_units(found.counts) == counted_units(oracle(tile, areas, downsample=downsample))


def test_patches_far_from_the_blocks_of_the_split_are_not_predicted(tile: TileSource) -> None:
    everywhere, corner = BandScorer(), BandScorer()
    run([tile], everywhere)
    area = Window(HEIGHT - 10, WIDTH - 10, 10, 10)
    run([tile.model_copy(update={"tile": "a/r9c9", "area": area})], corner)
    assert 0 < corner.patches <= 9 < everywhere.patches  # 10 pixels and a halo touch three patches a side at most


def test_pixels_beside_the_needed_windows_are_nodata_and_keep_their_values(tile: TileSource) -> None:
    needed = [Window(10, 20, 5, 6), Window(30, 0, 2, 90)]
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    for window in needed:
        expected[window.slices] = True
    with open_image(tile.all_rasters, BandSet.of_numbers((1, 2, 3))) as image:
        reader = NeededPixels(image, needed)
        for window in (Window(0, 0, HEIGHT, WIDTH), Window(12, 23, 20, 40)):
            found, whole = reader.read(window), image.read(window)
            np.testing.assert_array_equal(found.valid, whole.valid & expected[window.slices])
            np.testing.assert_array_equal(found.pixels, whole.pixels)
        assert reader.read(Window(0, 0, 40, 80), 2).valid.all()
        assert (reader.grid, reader.band_count, reader.dtype) == (image.grid, 3, "uint8")


def test_files_of_a_tile_are_read_back_as_they_were(tile: TileSource) -> None:
    found = run([tile])
    facts = facts_of(found)
    assert facts_from_json(facts_to_json(facts)) == facts
    assert facts.pictures.endswith(".npz")
    nowhere = replace(facts, mapped_square_metres=None)
    assert facts_from_json(facts_to_json(nowhere)) == nowhere
    with pytest.raises(DataError, match=r"x\.json cannot be read"):
        facts_from_json('{"tile": "a"}', "x.json")
    pictures = dict(pictures_from_npz(pictures_to_npz(found)))
    assert found.overview is not None
    for name, picture in {"overview": found.overview, "worst_1": found.worst[1][1]}.items():
        assert (pictures[name].window, pictures[name].step) == (picture.window, picture.step)
        np.testing.assert_array_equal(pictures[name].image, picture.image)
        for layer in ("truth", "predicted", "confidence"):
            np.testing.assert_array_equal(getattr(pictures[name].layers, layer), getattr(picture.layers, layer))


def test_an_eroded_truth_that_the_data_set_brings_is_taken(tile: TileSource) -> None:
    ignore = Path(tile.image).with_name("a_ignore.tif")
    found = run(
        [tile.model_copy(update={"ignore": str(ignore)})],
        labels=ColorLabels(ignore=IgnoreOptions(value=1)),
        strip_rows=20,
    )
    ignored = np.broadcast_to(np.arange(WIDTH) % 5 == 0, (HEIGHT, WIDTH))
    expected = oracle(tile, ignored=ignored)
    assert found.counts == expected
    assert found.counts != oracle(tile)


def test_mapped_areas_are_those_of_all_pixels_that_have_a_class(tile: TileSource) -> None:
    found = run([tile])
    predicted, _ = production(tile)
    pixels = [np.count_nonzero(predicted == i) for i in range(3)]
    assert found.mapped_pixels.tolist() == pixels
    assert found.mapped_square_metres is not None
    np.testing.assert_allclose(found.mapped_square_metres, np.array(pixels) * 0.5 * 0.5)  # make_raster's 0.5 m
    assert sum(pixels) == HEIGHT * WIDTH - 25 * 20


def test_areas_in_degrees_shrink_towards_the_pole_and_none_are_given_without_a_place(
    tile: TileSource, tmp_path: Path
) -> None:
    with open_image(tile.all_rasters, BandSet.of_numbers((1, 2, 3))) as image:
        pixels = image.read(Window(0, 0, HEIGHT, WIDTH)).pixels
    sums = {}
    for name, north in (("equator", 0.0), ("sixty", 60.0)):
        where = Affine(1e-5, 0, 10, 0, -1e-5, north)
        image = write_raster(tmp_path / f"{name}.tif", pixels, crs="EPSG:4326", transform=where)
        found = run([tile.model_copy(update={"image": str(image)})], strip_rows=11, pictures=False)
        assert found.mapped_square_metres is not None
        sums[name] = found.mapped_square_metres.sum()
    assert sums["sixty"] / sums["equator"] == pytest.approx(0.5, rel=0.02)  # cos 60 degrees
    placeless = write_raster(tmp_path / "placeless.tif", pixels, crs=None)
    assert run([tile.model_copy(update={"image": str(placeless)})]).mapped_square_metres is None


@pytest.mark.parametrize("block_px", [None, 16, 32])
@pytest.mark.parametrize("strip_rows", [7, 32, 200])
def test_the_worst_windows_are_kept_with_their_pixels(tile: TileSource, block_px: int | None, strip_rows: int) -> None:
    options = OPTIONS.model_copy(update={"counting": CountingOptions(block_px=block_px)})
    found = run([tile], options=options, strip_rows=strip_rows)
    predicted, confidence = production(tile)
    assert [worst for worst, _ in found.worst] == worst_windows(found.counts, {"a": (HEIGHT, WIDTH)}, 3)
    assert found.worst
    for worst, picture in found.worst:
        assert picture.window == worst.window
        layers = picture.layers
        np.testing.assert_array_equal(layers.predicted, predicted[worst.window.slices])
        counted = layers.truth != VOID_ID
        assert np.count_nonzero(counted) == worst.pixels
        assert np.count_nonzero(counted & (layers.truth != layers.predicted)) == worst.errors
        percent = np.rint(confidence[worst.window.slices] * 100)
        percent[layers.predicted == VOID_ID] = 255
        np.testing.assert_array_equal(layers.confidence, percent)
        assert picture.image.shape == (*layers.truth.shape, 3)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 12))
def test_every_nth_row_and_column_is_picked_however_the_rows_come(
    height: int, width: int, most: int, rows: int
) -> None:
    window = Window(7, 3, height, width)
    values = (np.arange(height)[:, None] * 5 + np.arange(width)).astype(np.uint8)
    picker = RowPicker(window, most)
    for start in range(0, height, rows):
        part = values[start : start + rows]
        picker.add(Window(7 + start, 3, len(part), width), Layers(part, part, part))
    n = picker.step
    expected = values[: height // n * n, : width // n * n][n // 2 :: n, n // 2 :: n]
    np.testing.assert_array_equal(picker.layers().truth, expected)


def test_memory_does_not_grow_with_the_tiles_height(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    options = OPTIONS.model_copy(update={"counting": CountingOptions(block_px=64, bins=2)})
    peaks = []
    for height in (512, 512, 4096):  # the first one warms up
        pixels = rng.integers(0, 256, (height, 256, 3)).astype(np.uint8)
        image = write_raster(tmp_path / "a.tif", pixels)
        ids = rng.integers(0, 3, (height // 8, 32)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        label = write_raster(tmp_path / "a_label.tif", encode_colors(ids, TABLE))
        del pixels, ids
        source = TileSource(tile="a", image=str(image), label=str(label), split="test")
        tracemalloc.start()
        run([source], options=options, strip_rows=64)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Eight times the rows are 3584 * 256 pixels more: half a byte for each of them would be 458 752.
    assert peaks[2] - peaks[1] < 458_752


def test_a_tile_without_pictures_has_none_and_the_same_counts(tile: TileSource) -> None:
    plain = run([tile], pictures=False)
    assert (plain.overview, plain.worst) == (None, ())
    assert plain.counts == run([tile]).counts


def test_an_area_beyond_the_tile_is_refused(tile: TileSource) -> None:
    beyond = tile.model_copy(update={"tile": "a/r0c0", "area": Window(0, 0, HEIGHT + 1, 5)})
    with pytest.raises(DataError, match=r"a/r0c0 stands for .* which has 75 x 90 pixels"):
        run([beyond])


def test_units_are_blocks_of_the_tile(tile: TileSource) -> None:
    assert run([tile]).counts.units == tuple(Unit("a", row, col) for row in range(3) for col in range(3))
