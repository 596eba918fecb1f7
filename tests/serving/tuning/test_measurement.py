import pytest

from serving.batching import BatchingOptions
from serving.tuning.measurement import Rounds
from serving.tuning.server_metrics import BatchCounts


def test_rounds_make_a_row() -> None:
    """Two rounds of 2 s: 10 and 30 requests of 4 patches, so 20 and 60 patches a second; 100 latencies 1 .. 40 ms."""
    rounds = Rounds("on", BatchingOptions(max_batch_size=8), concurrency=2, patches_per_request=4)
    rounds.add(2.0, [float(ms) for ms in range(1, 11)], 0, 0.5, 3.0, BatchCounts(5, 48, 8))
    rounds.add(2.0, [float(ms) for ms in range(11, 41)], 2, 0.3, 1.0, BatchCounts(15, 132, 12))
    row = rounds.summary()
    assert row.rounds == (10 * 4 / 2, 30 * 4 / 2)
    assert row.patches_per_second == (20 + 60) / 2
    assert row.requests_per_second == 40 / 4
    assert row.in_flight == 2 * 4
    assert (row.requests, row.failures) == (40, 2)
    # 40 values: the percentile is one that was seen, the next one up
    assert (row.p50_ms, row.p95_ms, row.p99_ms) == (21, 39, 40)
    assert row.padding_share == pytest.approx(20 / 180)
    assert row.mean_batch == pytest.approx(160 / 20)
    assert row.server_cores == pytest.approx(4.0 / 4)
    assert row.client_cores == pytest.approx(0.8 / 4)


def test_without_batching_there_is_no_padding_and_without_proc_no_processor_time() -> None:
    rounds = Rounds("off", BatchingOptions(enabled=False), 1, 1)
    rounds.add(1.0, [5.0], 0, 0.0, None, BatchCounts(0, 0, 0))
    row = rounds.summary()
    assert (row.padding_share, row.mean_batch, row.server_cores) == (None, None, None)


def test_a_load_without_one_answer_is_never_within_a_budget() -> None:
    rounds = Rounds("off", BatchingOptions(enabled=False), 1, 1)
    rounds.add(1.0, [], 7, 0.0, None, BatchCounts(0, 0, 0))
    assert rounds.summary().p50_ms > 1e9
