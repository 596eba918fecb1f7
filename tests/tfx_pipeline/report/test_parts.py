"""The page's parts by themselves: choice of examples, rows, charts, words, commands."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import MissingFileError
from tfx_pipeline import run_record
from tfx_pipeline.cli.main import build_parser
from tfx_pipeline.report import charts, figure_rows, lineage, page
from tfx_pipeline.report.examples import ScoredPatch, choose, spread
from tfx_pipeline.report.map_pictures import overview_side_px
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
    ground, nasty, lava = figure_rows.confusion_rows(run.outcome.evaluation, run.config.table)
    assert [cell.count for cell in ground.cells] == [60, 20, 0]
    assert [cell.share for cell in ground.cells] == [0.75, 0.25, 0]
    assert nasty.cells[1].is_right
    assert lava.total == 0
    assert all(math.isnan(cell.share) and cell.share_heat == 0 for cell in lava.cells)
    assert figure_rows.predicted_totals(run.outcome.evaluation) == [70, 30, 0]


def test_the_least_accurate_tile_comes_first(run: FakeRun) -> None:
    evaluation = run.outcome.evaluation
    figures = evaluation.by_tile["south"]
    by_tile = {
        "a": {**figures, "overall_accuracy": math.nan},
        "b": {**figures, "overall_accuracy": 0.9},
        "c": {**figures, "overall_accuracy": 0.2},
    }
    rows = figure_rows.tile_rows(replace(evaluation, by_tile=by_tile), run.config.table)
    assert [row.tile for row in rows] == ["c", "b", "a"]


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


def test_commands_are_quoted_and_parse(run: FakeRun, tmp_path: Path) -> None:
    import shlex

    places = replace(run.places, model_base=tmp_path / "with space")
    folder = places.model_base / "eoseg" / "7"
    folder.mkdir(parents=True)
    outcome = replace(run.outcome, version=7, version_folder=folder)
    commands = lineage.usage(run.config, places, outcome)
    assert [command.purpose for command in commands] == [
        "Serve it", "Or serve it with the stock server", "Predict the map of a tile",
    ]  # fmt: skip
    for command in commands:
        program, *words = shlex.split(command.line)
        if program == "eoseg":
            build_parser().parse_args(words)
    assert str(places.model_base) in shlex.split(commands[0].line)


def test_code_revision_names_something() -> None:
    revision = lineage.code_revision()
    assert revision.kind in ("git", "eoseg")
    assert revision.revision


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
    assert overview_side_px(1) == overview_side_px(3) == 900
    assert overview_side_px(12) == 450  # four times as many, each a quarter of the pixels
