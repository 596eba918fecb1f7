import csv
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ConfigError
from serving.batching import BatchingOptions, read_batching, read_batching_options
from serving.client import ClientOptions
from serving.tuning.choose import choose
from serving.tuning.measurement import DirectPoint, Measurement
from serving.tuning.report import settings_texts, table, write_report
from serving.tuning.settings import ClientSettings, TunedSettings
from serving.tuning.tune import Tuning


def row(name: str, patches_per_second: float, batching: BatchingOptions) -> Measurement:
    return Measurement(
        server=name,
        batching=batching,
        concurrency=8,
        patches_per_request=2,
        rounds=(patches_per_second,) * 3,
        requests=30,
        p50_ms=10,
        p95_ms=20,
        p99_ms=30,
        padding_share=0.25 if batching.enabled else None,
        mean_batch=3.0 if batching.enabled else None,
    )


def tuning(on: float, budget_ms: float = 100) -> Tuning:
    rows = (
        row("off", 100, BatchingOptions(enabled=False)),
        row("max 16, <1> thread", on, BatchingOptions(max_batch_size=16)),
    )
    direct = (DirectPoint(batch_size=1, seconds_per_call=0.01),)
    choice = choose(rows, budget_ms) if budget_ms >= 20 else None
    return Tuning(direct, rows, choice, "" if choice else "too slow", {"machine": "2 cores"}, budget_ms)


def test_server_and_client_read_what_was_decided(tmp_path: Path) -> None:
    decided = tuning(on=200)
    write_report(decided, tmp_path)
    settings = decided.settings
    assert settings is not None
    assert settings.batching.enabled
    assert read_batching_options(tmp_path / "batching.yaml") == settings.batching
    assert read_batching(tmp_path / "batching_parameters.txt") == settings.batching, "the stock server's file"
    client = ClientOptions(**yaml.safe_load((tmp_path / "client.yaml").read_text()))
    assert (client.concurrency, client.patches_per_request) == (8, 2)


def test_off_leaves_no_file_for_the_stock_server_also_after_a_tuning_that_said_on(tmp_path: Path) -> None:
    write_report(tuning(on=200), tmp_path)
    write_report(tuning(on=90), tmp_path)
    assert not (tmp_path / "batching_parameters.txt").exists()
    assert not read_batching_options(tmp_path / "batching.yaml").enabled
    assert "-10%" in (tmp_path / "batching.yaml").read_text(), "it says why"
    write_report(tuning(on=200, budget_ms=10), tmp_path)
    assert not list(tmp_path.glob("*.yaml")), "no decision, no settings; the table is there"
    assert json.loads((tmp_path / "measurements.json").read_text())["problem"] == "too slow"


def test_the_table_holds_what_was_measured(tmp_path: Path) -> None:
    measured = tuning(on=200)
    write_report(measured, tmp_path)
    with (tmp_path / "measurements.csv").open() as source:
        off, on = csv.DictReader(source)
    assert (off["patches_per_second"], off["max_batch_size"], off["padding_share"]) == ("100.0", "", "")
    assert (on["patches_per_second"], on["max_batch_size"], on["padding_share"]) == ("200.0", "16", "0.25")
    rows = json.loads((tmp_path / "measurements.json").read_text())["rows"]
    keys = set(Measurement.model_fields)
    assert tuple(Measurement(**{k: v for k, v in one.items() if k in keys}) for one in rows) == measured.rows
    lines = table(measured.rows, measured.rows[1], budget_ms=15).splitlines()
    assert [line[0] for line in lines[1:]] == [">", "*"]


def test_the_page_shows_the_reason_and_needs_no_network(tmp_path: Path) -> None:
    write_report(tuning(on=200), tmp_path)
    page = (tmp_path / "tuning.html").read_text()
    assert "batching on: the best batched setting (max 16, &lt;1&gt; thread; 8 x 2) made 200.0 patches" in page
    assert "<1> thread" not in page
    assert "<script src" not in page
    assert '"name":"chosen"' in page


@given(st.integers(1, 64), st.integers(1, 64))
def test_settings_whose_requests_the_server_would_refuse_cannot_be_made(largest: int, patches: int) -> None:
    values = {
        "batching": BatchingOptions(max_batch_size=largest),
        "client": ClientSettings(concurrency=1, patches_per_request=patches),
        "latency_budget_ms": 10,
        "reason": "",
    }
    if patches <= largest:
        assert set(settings_texts(TunedSettings(**values))) == {
            "batching.yaml",
            "batching_parameters.txt",
            "client.yaml",
        }
    else:
        with pytest.raises((ValidationError, ConfigError), match="patches_per_request"):
            TunedSettings(**values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batching: [", "while parsing"),
        ("max_batch_size: 3", "one key 'batching'"),
        ("batching: {max_batch: 3}", r"b\.yaml: max_batch: Extra inputs"),
    ],
)
def test_batching_files_that_say_nonsense_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_batching_options(tmp_path / "b.yaml")
