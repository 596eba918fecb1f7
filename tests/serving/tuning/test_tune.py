"""A whole tuning, with real servers, of a model so small that only the server counts; and the benchmark's figures."""

import runpy
from pathlib import Path

import pytest

from serving.batching import BatchingOptions
from serving.served_model import ServedModel
from serving.tuning import tune as tune_module
from serving.tuning.measurement import Measurement, Rounds
from serving.tuning.server_metrics import BatchCounts
from serving.tuning.tune import TuneOptions, newest_version, tune

BENCH = Path(__file__).parents[3] / "benchmarks" / "bench_serve.py"


@pytest.mark.slow
def test_a_model_is_tuned(model_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"off": BatchingOptions(enabled=False), "on": BatchingOptions(max_batch_size=4)}
    monkeypatch.setattr(tune_module, "candidates", lambda *_: settings)
    options = TuneOptions(
        seconds=10, concurrency=(1, 2), patches=(1, 4), batch_sizes=(1, 2), latency_budget_ms=60_000, kind="embedded"
    )
    said: list[str] = []
    model = ServedModel(name="eoseg", base_path=str(model_base))
    found = tune(model, newest_version(model_base), options, said.append)
    assert [point.batch_size for point in found.direct] == [1, 2]
    assert {(row.server, row.concurrency, row.patches_per_request) for row in found.rows} == {
        (server, clients, patches) for server in settings for clients in (1, 2) for patches in (1, 4)
    }
    assert all(row.requests and not row.failures for row in found.rows)
    assert found.settings is not None
    assert found.choice is not None
    assert found.settings.client.patches_per_request == found.choice.chosen.patches_per_request
    assert any("off; on" in text for text in said)


def rounds(server: str, clients: int, rates: list[float]) -> Measurement:
    collected = Rounds(server, BatchingOptions(enabled=server == "on"), clients, 1)
    for rate in rates:
        collected.add(1.0, [10.0] * int(rate), 0, 0.1, 1.0, BatchCounts(1, 4, 1))
    return collected.summary()


def test_the_benchmarks_ratios_are_of_rounds_that_ran_together() -> None:
    """The machine halves its speed: the sessions make 100, then 50 patches a second; the server 90, then 45."""
    bench = runpy.run_path(str(BENCH))
    rows = [
        rounds("off", 1, [40, 20]),
        rounds("on", 1, [30, 15]),
        rounds("off", 16, [60, 30]),
        rounds("on", 16, [90, 45]),
    ]
    figures = bench["figures"]({1: [80.0, 40.0], 8: [100.0, 50.0]}, rows, {}, {})
    assert figures["direct_best_batch"] == 8
    assert figures["ratio_16"] == pytest.approx(0.9)
    assert figures["on_over_off"] == {1: 0.75, 16: 1.5}
    assert figures["servers"]["on"][16]["padding_share"] == 0.25
    assert figures["servers"]["off"][1]["ratio_to_direct"] == 0.4
