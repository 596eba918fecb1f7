"""The page's parts by themselves: choice of examples, rows, charts, words, commands."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import MissingFileError
from components.evaluation.bootstrap import Difference, Interval
from tfx_pipeline import run_record
from tfx_pipeline.cli.main import build_parser
from tfx_pipeline.report import charts, figure_rows, lineage, page
from tfx_pipeline.report.examples import ScoredPatch, choose, spread
from tfx_pipeline.report.map_pictures import overview_side_px
from tfx_pipeline.report.views import all_views, patch_views
from tfx_pipeline.run_record import RunRecord, Step

from .conftest import FakeRun


def patch(number: int, wrong: float, known: float = 1.0) -> ScoredPatch:
    return ScoredPatch(number, np.zeros((1, 1), np.uint8), wrong, known)


def test_the_worst_the_middle_and_the_best_are_chosen() -> None:
    scored = [patch(i, i / 10) for i in range(9)]
    chosen = choose(scored, of_each=1)
    assert [(name, p.wrong_share) for name, p in chosen] == [("worst", 0.8), ("middle", 0.4), ("best", 0.0)]


def test_patches_almost_without_truth_are_not_examples() -> None:
    assert [p.number for _, p in choose([patch(0, 1.0, known=0.01), patch(1, 0.2)])] == [1]
    assert [p.number for _, p in choose([patch(0, 1.0, known=0.01)])] == [0]


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(1, 5))
def test_no_patch_is_shown_twice(shares: list[float], of_each: int) -> None:
    chosen = choose([patch(i, share) for i, share in enumerate(shares)], of_each)
    numbers = [p.number for _, p in chosen]
    assert len(set(numbers)) == len(numbers) == min(len(shares), 3 * of_each)
    ordered = [p.wrong_share for _, p in chosen]
    assert ordered == sorted(ordered, reverse=True)


@given(st.integers(1, 500), st.integers(1, 100))
def test_the_spread_takes_each_record_at_most_once(records: int, most: int) -> None:
    numbers = spread(records, most)
    assert len(set(numbers)) == len(numbers) == min(records, most)
    assert set(numbers) <= set(range(records))
    if most > 1:
        assert {0, records - 1} <= set(numbers)


def test_confusion_rows_count_and_share(run: FakeRun) -> None:
    view = patch_views(run.outcome.evaluation, run.config.table)[0]
    ground, nasty, lava = figure_rows.confusion_rows(view, run.config.table)
    assert [cell.count for cell in ground.cells] == [60, 20, 0]
    assert [cell.share for cell in ground.cells] == [0.75, 0.25, 0]
    assert nasty.cells[1].is_right
    assert lava.total == 0
    assert all(math.isnan(cell.share) and cell.share_heat == 0 for cell in lava.cells)
    assert figure_rows.predicted_totals(view) == [70, 30, 0]


def test_views_share_names_and_differ_in_figures(run: FakeRun) -> None:
    views = all_views(run.outcome.evaluation, run.outcome.map_evaluation, run.config.table)
    assert [view.key for view in views] == ["tiles", "tiles-eroded", "patches", "patches-eroded"]
    document = run.outcome.map_evaluation.document
    tiles, eroded, patches, _ = views
    assert tiles.figures["mean_iou"] == document["figures"]["mean_iou"]["value"]
    assert eroded.figures["mean_iou"] == document["figures"]["eroded/mean_iou"]["value"]
    assert eroded.confusion.tolist() == document["eroded_confusion"]
    assert not any(name.startswith("eroded/") for view in views for name in view.figures)
    interval = tiles.intervals["overall_accuracy"]
    assert interval.low <= interval.value <= interval.high
    assert tiles.differences["overall_accuracy"].value > 0  # the blessed model's threshold is worse
    assert patches.intervals == {}  # one tile: nothing to draw from


def test_patches_get_intervals_from_their_tiles(run: FakeRun) -> None:
    evaluation = run.outcome.evaluation
    good, bad = np.diag([50.0, 40.0, 0.0]), np.array([[10.0, 40.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
    by_tile = {"a": good, "b": bad}
    two = replace(evaluation, confusion_by_tile=by_tile, eroded_confusion_by_tile=by_tile)
    for view in patch_views(two, run.config.table):
        found = view.intervals["overall_accuracy"]
        assert found.value == pytest.approx(105 / 150)
        assert (found.low, found.high) == (pytest.approx(15 / 60), pytest.approx(1.0))  # one tile drawn twice
        assert view.drawn == "2 tiles"


def test_the_least_accurate_slice_comes_first(run: FakeRun) -> None:
    figures = run.outcome.evaluation.by_tile["south"]
    slices = {
        "tile/a": {**figures, "overall_accuracy": None},
        "tile/b": {**figures, "overall_accuracy": 0.9},
        "tile/c": {**figures, "overall_accuracy": 0.2},
        "with/b": figures,
    }
    rows = figure_rows.slice_rows(slices, run.config.table, "tile/")
    assert [row.name for row in rows] == ["c", "b", "a"]


def test_less_of_a_calibration_error_is_better(run: FakeRun) -> None:
    view = all_views(run.outcome.evaluation, run.outcome.map_evaluation, run.config.table)[0]
    assert figure_rows.figure_of(view, "expected_calibration_error").lower_is_better
    assert not figure_rows.figure_of(view, "mean_iou").lower_is_better


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_lines_show_on_white_and_on_black(color: tuple[int, int, int]) -> None:
    red, green, blue = charts.readable(color)
    assert 0.28 <= (0.299 * red + 0.587 * green + 0.114 * blue) / 255 <= 0.64


def test_figures_in_words() -> None:
    assert (page.figure(0.61249), page.figure(math.nan), page.figure(None)) == ("0.612", "absent", "absent")
    assert page.percent(0.1234) == "12.3 %"
    assert page.count(1234567.0) == "1\u202f234\u202f567"
    assert page.change(0.5, 0.4) == "+0.100"
    assert page.change(0.4, 0.5) == "\u22120.100"
    assert page.change(0.5, math.nan) == page.change(0.5, None) == ""
    assert page.interval(Interval(0.5, 0.41, 0.62, 12)) == "0.410 to 0.620"
    assert page.interval(Difference(0.01, -0.02, 0.04, 0.8, 12)) == "\u22120.020 to +0.040"
    assert page.interval(Interval(0.5, math.nan, math.nan, 1)) == page.interval(None) == ""
    assert (page.area_unit(9_999), page.area_unit(10_000)) == ("m²", "ha")
    assert (page.area(1234.56, "m²"), page.area(123_456, "ha"), page.area(math.nan, "ha")) == (
        "1\u202f234.6", "12.35", "absent",
    )  # fmt: skip


def test_commands_are_quoted_and_parse(run: FakeRun, tmp_path: Path) -> None:
    import shlex

    places = replace(run.places, model_base=tmp_path / "with space")
    folder = places.model_base / "eoseg" / "7"
    folder.mkdir(parents=True)
    outcome = replace(run.outcome, version=7, version_folder=folder)
    commands = lineage.usage(run.config, places, outcome)
    assert [command.purpose for command in commands] == [
        "Serve it", "Or serve it with the stock server", "Predict the map of a tile",
        "See what it was made of, up to the tiles",
    ]  # fmt: skip
    folder.with_name("6").mkdir()
    of_second = lineage.usage(run.config, places, outcome)
    assert len(of_second) == len(commands) + 3
    for command in of_second:
        program, *words = shlex.split(command.line)
        if program == "eoseg":
            build_parser().parse_args(words)
    assert str(places.model_base) in shlex.split(commands[0].line)


def test_a_workdir_without_a_run_is_one_clear_error(tmp_path: Path) -> None:
    arguments = build_parser().parse_args(["report", "demo.yaml", "--workdir", str(tmp_path)])
    with pytest.raises(MissingFileError, match="does not exist"):
        arguments.handler(arguments)
    assert not list(tmp_path.iterdir())


def test_an_unfinished_run_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = RunRecord("killed", {"LabelValidator": Step({}, reused=False)})
    monkeypatch.setattr(run_record, "read_latest_run", lambda metadata: unfinished)
    arguments = build_parser().parse_args(["report", "demo.yaml", "--workdir", str(tmp_path)])
    with pytest.raises(MissingFileError, match="finished steps: LabelValidator"):
        arguments.handler(arguments)


def test_many_maps_weigh_as_much_as_a_few() -> None:
    assert overview_side_px(1) == overview_side_px(2) == 900
    assert overview_side_px(8) == 450  # four times as many, each a quarter of the pixels
