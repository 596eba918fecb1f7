"""What `eoseg bench quality` rests on: plans that are configurations, one training a result, means and spreads."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import trial
from benchmarks.quality.plan import Plan, read_plan
from benchmarks.quality.table import as_markdown, curve, summary
from components.errors import ConfigError, MissingFileError

PLANS = Path(trial.__file__).with_name("plans")


def result(seed: int, mean_iou: float, losses: tuple[float, ...], car: float | None = 0.25) -> dict:
    history = [
        {"step": 10 * i, "seconds": 1.0 * i, "loss": loss, "eval_mean_iou": mean_iou, "eval_pixel_accuracy": None}
        for i, loss in enumerate(losses, start=1)
    ]
    figures = {"overall_accuracy": 0.5, "mean_iou": mean_iou, "iou/car": car}
    costs = {"parameters": 1_500_000, "training_seconds": 10.0 + seed, "cpu_seconds": 20.0}
    return {"seed": seed, "classes": ["car"], "figures": figures, "history": history, **costs}


def test_a_row_is_the_mean_of_the_seeds_and_their_sample_deviation() -> None:
    row = summary("a", [result(0, 0.2, (1.0,)), result(1, 0.4, (1.0,))])
    assert row["figures"]["mean_iou"] == pytest.approx(0.3)
    assert row["spread"]["mean_iou"] == pytest.approx(np.std([0.2, 0.4], ddof=1), abs=1e-4)
    assert row["training_seconds"] == pytest.approx(10.5)


def test_one_seed_has_no_spread_and_an_absent_class_no_figure() -> None:
    row = summary("a", [result(0, 0.2, (1.0,), car=None)])
    assert row["spread"]["mean_iou"] is None
    assert as_markdown([row], ["car"]).splitlines()[-1] == "| a | 0.500 | 0.200 | absent | 1.50 M | 20 s | 1 |"


def test_a_resumed_training_tells_no_processor_time() -> None:
    resumed = {**result(0, 0.2, (1.0,)), "cpu_seconds": None}
    assert as_markdown([summary("a", [resumed])], ["car"]).splitlines()[-1].endswith("| 1.50 M | resumed | 1 |")
    assert summary("a", [resumed, result(1, 0.4, (1.0,))])["cpu_seconds"] == 20.0


def test_a_curve_ends_with_the_shortest_training_and_leaves_out_what_was_not_measured() -> None:
    points = curve([result(0, 0.2, (3.0, 1.0)), result(1, 0.4, (1.0,))])
    assert points == [{"step": 10, "seconds": 1.0, "loss": 2.0, "eval_mean_iou": 0.3}]


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_variant_of_a_shipped_plan_is_a_configuration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOSEG_DUBAI", "/nowhere")
    plan = read_plan(path)
    for variant in plan.variants:
        config = plan.config_of(variant, 7, "work")
        assert config.training.seed == 7
        assert config.data.splits


def test_settings_are_chosen_without_the_tiles_that_dubai_is_judged_by() -> None:
    read = read_plan(PLANS / "dubai_choice.yaml")
    judged = Plan(config="dubai.yaml", scored="test", variants=read.variants).config_of(read.variants[0], 0, "work")
    for variant in read.variants:
        config = read.config_of(variant, 0, "work")
        held_out = judged.data.splits["test"]
        assert isinstance(held_out, tuple)
        assert set(held_out) <= set(config.data.exclude)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no\.yaml"):
        read_plan(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match=r"no variant 'x'.*\n.*indices"):
        read_plan(PLANS / "smoke.yaml").variant("x")


def test_two_variants_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("{config: demo.yaml, scored: test, variants: [{name: a}, {name: a}]}")
    with pytest.raises(ConfigError, match="one name"):
        read_plan(file)


@pytest.mark.slow
def test_a_training_is_scored_once_and_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (str(PLANS / "smoke.yaml"), "indices", "3", str(tmp_path))
    trial.main(*arguments)
    file = Path(capsys.readouterr().out.splitlines()[-1])
    found = json.loads(file.read_text())
    assert found["seed"] == found["training"]["seed"] == 3
    assert np.sum(found["confusion"]) == found["figures"]["pixels"] == 256 * 256  # the whole test tile, once
    assert [epoch["step"] for epoch in found["history"]] == [2, 4]
    written = file.stat().st_mtime_ns
    trial.main(*arguments)
    assert file.stat().st_mtime_ns == written
