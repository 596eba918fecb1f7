import os

import pytest

from serving.embedded import metrics
from serving.tuning.server_metrics import BatchCounts, cpu_seconds, parse_batch_counts


def test_the_servers_own_text_gives_sizes_and_padding() -> None:
    """Batches of 3 and 5 patches, padded to 4 and 8."""
    written = metrics.Metrics()
    for size, padded in ((3, 4), (5, 8)):
        written.observe(metrics.PROCESSED_BATCH_SIZE, value=padded)
        written.observe(metrics.PADDING_SIZE, value=padded - size)
        written.observe(metrics.INPUT_BATCH_SIZE, value=size)
    counts = parse_batch_counts(written.exposition())
    assert counts == BatchCounts(batches=2, processed=4 + 8, padding=1 + 3)
    assert counts.padding_share == pytest.approx(4 / 12)
    assert counts.mean_size == pytest.approx((3 + 5) / 2)


def test_sums_with_labels_are_added_and_what_is_not_there_counts_nothing() -> None:
    text = (
        "# TYPE :tensorflow:serving:batching_session:padding_size histogram\n"
        ':tensorflow:serving:batching_session:padding_size_bucket{execution_batch_size="4",le="+Inf"} 9\n'
        ':tensorflow:serving:batching_session:padding_size_sum{execution_batch_size="4"} 2\n'
        ':tensorflow:serving:batching_session:padding_size_sum{execution_batch_size="8"} 5\n'
    )
    assert parse_batch_counts(text) == BatchCounts(0, 0, 7)
    nothing = parse_batch_counts("")
    assert nothing.padding_share is None
    assert nothing.mean_size is None


def test_rounds_add_up() -> None:
    before, after = BatchCounts(1, 8, 2), BatchCounts(4, 20, 5)
    assert after - before == BatchCounts(3, 12, 3)
    assert before + (after - before) == after


def test_processor_time_of_a_process_grows_and_that_of_none_is_none() -> None:
    if not os.path.exists("/proc/self/stat"):  # noqa: PTH110
        pytest.skip("no /proc on this system")
    before = cpu_seconds(os.getpid())
    assert before is not None
    while (now := cpu_seconds(os.getpid())) is not None and now < before + 0.02:
        sum(range(100_000))
    assert now is not None
    assert cpu_seconds(2**22 + 1) is None
