"""Which settings of the server are worth measuring, from what the model does without one."""

from collections.abc import Sequence

from serving.batching import BatchingOptions
from serving.tuning.measurement import DirectPoint

OFF = "off"
_NEARLY_BEST = 0.95
_LEAST_BATCH = 4
_QUEUE_PATCHES = 4096
"""Patches that may wait during the measurement: nothing is refused, whatever the load."""
_GPU_TIMEOUT_MICROS = 2000
_CPU_TIMEOUT_MICROS = 1000


def knee(direct: Sequence[DirectPoint]) -> int:
    """The smallest batch size whose throughput is within 5 % of the best one's: larger ones only take longer."""
    best = max(point.patches_per_second for point in direct)
    return min(point.batch_size for point in direct if point.patches_per_second >= _NEARLY_BEST * best)


def candidates(
    direct: Sequence[DirectPoint], cores: int, has_gpu: bool, budget_ms: float, largest_warmup: int = 1
) -> dict[str, BatchingOptions]:
    """Settings by name: batching off, and batching with what the machine suggests.

    On a CPU: one batch at a time, as many as there are cores, and one at a time after a short wait; batches of any
    size, since padding costs. On a GPU: threads = cores, powers of two (each size is prepared once), with and without
    a wait, at the knee and at four times that.

    Args:
        direct: Session calls without a server.
        cores: Processor cores.
        has_gpu: Whether the model runs on a GPU.
        budget_ms: Batches that take longer than this are of no use.
        largest_warmup: Patches in the largest request of the version's warm-up. A server that takes fewer a request
            refuses the version, so smaller batches are made by splitting requests, or, where batches are padded, not
            at all.
    """
    within = [point for point in direct if point.seconds_per_call * 1e3 <= budget_ms] or list(direct[:1])
    size = max(knee(within), _LEAST_BATCH)
    found = {OFF: BatchingOptions(enabled=False)}
    if has_gpu:
        size = 1 << (max(size, largest_warmup) - 1).bit_length()
        for largest in (size, 4 * size):
            for timeout in (0, _GPU_TIMEOUT_MICROS):
                _add(found, largest, cores, timeout, padded=True)
        return found
    _add(found, size, 1, 0, request=largest_warmup)
    if cores > 1:
        _add(found, size, cores, 0, request=largest_warmup)
    _add(found, size, 1, _CPU_TIMEOUT_MICROS, request=largest_warmup)
    _add(found, 4 * size, 1, 0, request=largest_warmup)
    return found


def queue_length(batching: BatchingOptions, concurrency: int, patches_per_second: float, budget_ms: float) -> int:
    """`max_enqueued_batches`: what can be answered within the budget waits, what cannot is refused at once.

    `patches a second * budget / patches a batch`, and at least one batch for each request that the client keeps under
    way, since the queue counts batches and a batch may hold a single request.
    """
    in_time = patches_per_second * budget_ms / 1e3 / batching.execution_batch_size
    return max(batching.num_batch_threads, concurrency, int(in_time))


def _add(
    found: dict[str, BatchingOptions],
    size: int,
    threads: int,
    timeout: int,
    *,
    padded: bool = False,
    request: int = 1,
) -> None:
    """Batches of up to `size` patches out of requests of up to `size` or `request`, whichever is more."""
    name = f"max {size}, {threads} thread{'s' * (threads > 1)}"
    if timeout:
        name += f", wait {timeout / 1e3:g} ms"
    splits = request > size
    found[name] = BatchingOptions(
        max_batch_size=max(size, request),
        batch_timeout_micros=timeout,
        num_batch_threads=threads,
        max_enqueued_batches=_QUEUE_PATCHES,
        allowed_batch_sizes=tuple(1 << power for power in range(size.bit_length())) if padded else (),
        enable_large_batch_splitting=splits,
        max_execution_batch_size=size if splits else None,
    )
