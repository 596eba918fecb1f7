"""Whole tiles to look at: order, places, and the weight of a page of fifty of them."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.classes import ClassTable, LandClass
from components.errors import DataError
from components.evaluation.counts import CountingOptions, EvaluationCounts
from components.evaluation.evaluate_tile import EvaluatedTile
from components.evaluation.map_evaluator.files import MapEvaluationFiles
from components.evaluation.slices import WorstWindow
from components.evaluation.tile_pictures import Layers, Picture
from components.evaluation.tile_products import facts_of, file_stem, pictures_to_npz
from components.geo.window import Window
from tfx_pipeline.report.evaluated_tiles import FULL_SIDE_PX, MOST_WINDOWS, shown_tiles, shown_windows, tile_side_px
from tfx_pipeline.report.report import write_report

from .conftest import FakeRun

TABLE = ClassTable(
    classes=tuple(LandClass(name=name, color=(i * 40, 255 - i * 40, 90)) for i, name in enumerate("abcdef"))
)


def noise(window: Window, seed: int, table: ClassTable) -> Picture:
    """The worst there is to compress."""
    rng = np.random.default_rng(seed)
    shape = (window.height, window.width)
    truth, predicted = rng.integers(0, len(table), (2, *shape)).astype(np.uint8)
    layers = Layers(truth, predicted, rng.integers(0, 101, shape).astype(np.uint8))
    return Picture(window, 1, rng.integers(0, 256, (*shape, 3)).astype(np.uint8), layers)


def write_tile(folder: Path, name: str, side: int, errors: list[int], table: ClassTable = TABLE) -> Mapping[str, Any]:
    """A tile's files as the evaluation writes them, with as many bad windows as `errors` of 100 pixels each."""
    windows = [Window(10 * i, 0, 10, 10) for i in range(len(errors))]
    found = EvaluatedTile(
        tile=name,
        shape=(side, side),
        areas=(Window(0, 0, side, side),),
        counts=EvaluationCounts.none(len(table), CountingOptions()),
        mapped_pixels=np.zeros(len(table), np.int64),
        mapped_square_metres=None,
        overview=noise(Window(0, 0, side, side), len(name), table),
        worst=tuple(
            (WorstWindow(name, window, 100, wrong), noise(window, i, table))
            for i, (window, wrong) in enumerate(zip(windows, errors, strict=True))
        ),
    )
    (folder / "tiles").mkdir(exist_ok=True)
    (folder / "tiles" / f"{file_stem(name)}.npz").write_bytes(pictures_to_npz(found))
    return asdict(facts_of(found))


def files(folder: Path, tiles: list[Mapping[str, Any]], accuracies: list[float | None]) -> MapEvaluationFiles:
    slices = {
        f"tile/{facts['tile']}": {"overall_accuracy": accuracy, "mean_iou": 0.5}
        for facts, accuracy in zip(tiles, accuracies, strict=True)
    }
    return MapEvaluationFiles(str(folder), {"tiles": tiles, "slices": slices})


def test_the_least_accurate_tile_comes_first(tmp_path: Path) -> None:
    tiles = [write_tile(tmp_path, name, 20, []) for name in ("x", "y", "z")]
    found = shown_tiles(files(tmp_path, tiles, [None, 0.9, 0.3]), TABLE)
    assert [tile.tile for tile in found] == ["z", "y", "x"]
    assert [tile.tile for tile in shown_tiles(files(tmp_path, tiles, [0.1, 0.9, 0.3]), TABLE, most=2)] == ["x", "z"]
    assert (found[0].height, found[0].width, found[0].accuracy) == (20, 20, 0.3)


def test_the_worst_windows_of_all_tiles_come_first(tmp_path: Path) -> None:
    tiles = [write_tile(tmp_path, "x", 40, [90, 20, 10]), write_tile(tmp_path, "y", 40, [50, 45])]
    found = shown_windows(files(tmp_path, tiles, [0.5, 0.5]), TABLE, most=4)
    assert [(window.tile, window.row, window.wrong_share) for window in found] == [
        ("x", 0, 0.9), ("y", 0, 0.5), ("y", 10, 0.45), ("x", 10, 0.2),
    ]  # fmt: skip


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    tiles = [write_tile(tmp_path, "x", 20, [5])]
    file = tmp_path / "tiles" / f"{file_stem('x')}.npz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=file.name):
        shown_tiles(files(tmp_path, tiles, [0.5]), TABLE)
    with pytest.raises(DataError, match=file.name):
        shown_windows(files(tmp_path, tiles, [0.5]), TABLE)


def test_many_tiles_weigh_as_much_as_a_few() -> None:
    assert tile_side_px(1) == tile_side_px(6) == FULL_SIDE_PX
    assert tile_side_px(24) == FULL_SIDE_PX // 2  # four times as many, each a quarter of the pixels


@pytest.mark.slow
def test_a_report_of_fifty_tiles_of_noise_stays_below_15_megabytes(run: FakeRun, tmp_path: Path) -> None:
    table = run.config.table
    tiles = [write_tile(tmp_path, f"tile {i}", 400, [99] * 2, table) for i in range(50)]
    document = {**run.outcome.map_evaluation.document, "tiles": tiles}
    document["slices"] = {**document["slices"], **files(tmp_path, tiles, [0.5] * 50).document["slices"]}
    outcome = replace(run.outcome, map_evaluation=MapEvaluationFiles(str(tmp_path), document))
    page = write_report(run.config, run.data, run.places, run.record, outcome, run.maps).read_text()
    assert len(page.encode()) < 15e6
    assert page.count('class="ground"') >= 50 + MOST_WINDOWS
    assert "Not shown" not in page
