"""Runs requests through batches: merges their tensors, pads, runs once, and hands each its rows."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.batching import BatchingOptions
from serving.embedded.batch_scheduler import BatchQueue, BatchScheduler, Task
from serving.embedded.status import Code, StatusError, failed_precondition, invalid_argument

Arrays = dict[str, NDArray[Any]]
_NOBODYS_FAULT = {Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.ABORTED}


class Session(Protocol):
    """What predictions run in: a `SavedModelSession`, or a `BatchingSession` around one."""

    def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str], timeout: float | None = None
    ) -> list[NDArray[Any]]:
        """One array a fetch; see `SavedModelSession.run`."""
        ...


class BatchingSession:
    """A session whose runs share batches with other callers' runs of the same tensors.

    A task that a kernel refuses fails alone. The stock server fails the whole batch with it, which no caller can tell
    from a request of his own that is wrong.

    Args:
        session: Runs the batches.
        scheduler: The server's threads.
        options: Batch sizes and queue.
        on_batch: Called with the sizes of each batch's tasks, the padded size of the batch, and the seconds that its
            tasks had queued; for metrics.
    """

    def __init__(
        self,
        session: Session,
        scheduler: BatchScheduler,
        options: BatchingOptions,
        on_batch: Callable[[list[int], int, list[float]], None] | None = None,
    ) -> None:
        self._session = session
        self._scheduler = scheduler
        self._options = options
        self._on_batch = on_batch
        self._lock = threading.Lock()
        self._queues: dict[tuple[frozenset[str], frozenset[str]], BatchQueue] = {}

    def run(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str], timeout: float | None = None
    ) -> list[NDArray[Any]]:
        """As `SavedModelSession.run`, perhaps together with other callers.

        Args:
            feeds: Tensor name -> value; all have the same 0th dimension.
            fetches: Tensor names; each has the batch as its 0th dimension.
            timeout: Seconds, or None.

        Raises:
            StatusError: If this task cannot be batched, the queue is full, or the batch fails.
        """
        size = batch_size(feeds)
        task = Task(feeds, size, None if timeout is None else time.monotonic() + timeout)
        parts = self._queue(frozenset(feeds), frozenset(fetches)).submit(task, _split)
        outputs = [part.wait() for part in parts]
        if len(outputs) == 1:
            return [outputs[0][name] for name in fetches]
        return [np.concatenate([output[name] for output in outputs]) for name in fetches]

    def close(self) -> None:
        """Gives the queues back to the scheduler."""
        with self._lock:
            for queue in self._queues.values():
                self._scheduler.remove_queue(queue)
            self._queues = {}

    def _queue(self, feeds: frozenset[str], fetches: frozenset[str]) -> BatchQueue:
        with self._lock:
            queue = self._queues.get((feeds, fetches))
            if queue is None:
                names = sorted(fetches)
                queue = self._scheduler.add_queue(self._options, lambda tasks: self._process(tasks, names))
                self._queues[feeds, fetches] = queue
            return queue

    def _process(self, tasks: list[Task], fetches: list[str]) -> None:
        try:
            outputs = self._run_batch(tasks, fetches)
        except StatusError as error:
            if error.quotes_request and len(tasks) > 1 and error.code not in _NOBODYS_FAULT:
                # A kernel that refuses one task's values refuses the batch. Halves find the one, and the others live.
                middle = len(tasks) // 2
                self._process(tasks[:middle], fetches)
                self._process(tasks[middle:], fetches)
                return
            for task in tasks:
                task.finish(error=error)
        except BaseException as error:  # whatever it is, callers wait for their tasks
            for task in tasks:
                task.finish(error=StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}", quotes_request=True))
            if not isinstance(error, Exception):
                raise
        else:
            for task, output in zip(tasks, outputs, strict=True):
                task.finish(output)

    def _run_batch(self, tasks: list[Task], fetches: list[str]) -> list[Arrays]:
        now = time.monotonic()
        size = sum(task.size for task in tasks)
        padded = self._options.padded_size(size)
        if self._on_batch is not None:
            self._on_batch([task.size for task in tasks], padded, [now - task.enqueued_at for task in tasks])
        deadlines = [task.deadline for task in tasks]
        timeout = None
        if None not in deadlines:
            timeout = max(deadline for deadline in deadlines if deadline is not None) - now
            if timeout <= 0:
                raise StatusError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
        feeds = merge_feeds(tasks, padded - size, self._options.pad_variable_length_inputs)
        results = self._session.run(feeds, fetches, timeout)
        for result in results:
            if result.ndim == 0:
                raise failed_precondition("Batched output tensor has 0 dimensions")
            if result.shape[0] != padded:
                raise failed_precondition(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        outputs: list[Arrays] = []
        start = 0
        for task in tasks:
            rows = slice(start, start + task.size)
            outputs.append({name: result[rows] for name, result in zip(fetches, results, strict=True)})
            start += task.size
        return outputs


def batch_size(feeds: Mapping[str, NDArray[Any]]) -> int:
    """The 0th dimension that all tensors share.

    Raises:
        StatusError: INVALID_ARGUMENT if there is none.
    """
    sizes = set()
    for value in feeds.values():
        if value.ndim == 0:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        sizes.add(value.shape[0])
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    if not sizes:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    return sizes.pop()


def merge_feeds(tasks: Sequence[Task], padding: int, pad_inner: bool = False) -> Arrays:
    """The tensors of a batch: the tasks' rows in order, then `padding` times row 0 of the last task.

    Args:
        tasks: At least one; all feed the same tensor names.
        padding: Rows to add.
        pad_inner: Pad inner dimensions to the batch's largest, with each tensor's own first element.

    Raises:
        StatusError: FAILED_PRECONDITION if inner shapes differ and `pad_inner` is off; INTERNAL if dtypes differ.
    """
    feeds = {}
    for name in tasks[0].feeds:
        values = [task.feeds[name] for task in tasks]
        if pad_inner:
            values = _padded_to_largest(values)
        elif any(value.shape[1:] != values[0].shape[1:] for value in values):
            raise failed_precondition(
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim."
            )
        if any(value.dtype != values[0].dtype for value in values):
            raise StatusError(
                Code.INTERNAL,
                "Tensor concat operation failed: INVALID_ARGUMENT: Cannot concatenate tensors that have different "
                "data types.",
            )
        if padding and values[-1].shape[0]:
            values = [*values, np.repeat(values[-1][:1], padding, axis=0)]
        feeds[name] = values[0] if len(values) == 1 else np.concatenate(values)
    return feeds


def _padded_to_largest(values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    if any(value.ndim != values[0].ndim for value in values):
        raise invalid_argument("Rank of tensors in the same batch must be equal when padding is turned on.")
    largest = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    padded = []
    for value in values:
        missing = [(0, 0)] + [(0, size - have) for size, have in zip(largest, value.shape[1:], strict=True)]
        fill = value.flat[0] if value.size else (b"" if value.dtype == object else 0)
        padded.append(np.pad(value, missing, constant_values=fill))
    return padded


def _split(task: Task, sizes: list[int]) -> list[Task]:
    parts = []
    start = 0
    for size in sizes:
        parts.append(Task({k: v[start : start + size] for k, v in task.feeds.items()}, size, task.deadline))
        start += size
    return parts
