"""Queues that gather tasks into batches, and the threads that run them: TensorFlow Serving's shared batch scheduler.

One scheduler serves all models of a server; each (version, input tensors, output tensors) has a queue of its own, so
different versions, signatures or output filters never share a batch. Threads go round the queues. A queue's first
batch runs when it is full, when its oldest task has waited `batch_timeout_micros`, or when a later batch exists.

A task that finds nothing waiting and a thread's place free runs in its caller's thread: handing it over and back
costs two thread switches and changes nothing that can be observed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from serving.batching import BatchingOptions
from serving.embedded.status import Code, StatusError, invalid_argument, unavailable


class Task:
    """One request's tensors, or a slice of them, on the way through a batch.

    Args:
        feeds: Tensor name -> value; all have the same 0th dimension, `size`.
        size: Rows.
        deadline: On the monotonic clock, in seconds; None waits for ever.
    """

    __slots__ = ("_done", "deadline", "enqueued_at", "error", "feeds", "outputs", "size")

    def __init__(self, feeds: Mapping[str, NDArray[Any]], size: int, deadline: float | None) -> None:
        self.feeds = feeds
        self.size = size
        self.deadline = deadline
        self.enqueued_at = time.monotonic()
        self.outputs: dict[str, NDArray[Any]] = {}
        self.error: StatusError | None = None
        self._done = threading.Lock()  # a bare lock: an Event costs several times more a request
        self._done.acquire()

    def finish(self, outputs: dict[str, NDArray[Any]] | None = None, error: StatusError | None = None) -> None:
        """Hands the outputs, or the error, to whoever waits."""
        self.outputs = outputs or {}
        self.error = error
        self._done.release()

    def wait(self) -> dict[str, NDArray[Any]]:
        """Tensor name -> this task's rows of the batch's outputs.

        Raises:
            StatusError: If the batch failed.
        """
        with self._done:
            if self.error is not None:
                raise StatusError(self.error.code, self.error.message, self.error.quotes_request)
            return self.outputs


class _Batch:
    __slots__ = ("opened_at", "size", "tasks")

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.size = 0
        self.opened_at = 0.0

    def add(self, task: Task) -> None:
        if not self.tasks:
            self.opened_at = task.enqueued_at
        self.tasks.append(task)
        self.size += task.size


class BatchQueue:
    """One queue; made by `BatchScheduler.add_queue`.

    Args:
        scheduler: Whose threads run the batches.
        options: Sizes, timeout and depth of the queue.
        process: Runs the tasks of a batch and finishes each of them.
    """

    def __init__(
        self, scheduler: "BatchScheduler", options: BatchingOptions, process: Callable[[list[Task]], None]
    ) -> None:
        self._scheduler = scheduler
        self._options = options
        self._timeout = options.batch_timeout_micros / 1e6
        self.process = process
        self._batches: deque[_Batch] = deque([_Batch()])
        self.closed = False

    def submit(self, task: Task, split: Callable[[Task, list[int]], list[Task]]) -> list[Task]:
        """Enqueues a task, or runs it at once where nothing is gained by waiting.

        Args:
            task: What to run.
            split: Cuts a task into tasks of the given sizes; called only with `enable_large_batch_splitting`.

        Returns:
            The tasks to `wait` for: the one given, or its slices in order.

        Raises:
            StatusError: INVALID_ARGUMENT if the task is too large, UNAVAILABLE if the queue is full.
        """
        if task.size > self._options.max_batch_size:
            raise invalid_argument(
                f"Task size {task.size} is larger than maximum input batch size {self._options.max_batch_size}"
            )
        return self._scheduler.submit(self, task, split)

    def enqueue(self, task: Task, split: Callable[[Task, list[int]], list[Task]]) -> list[Task]:
        """Puts a task into the open batch, or into a new one; the scheduler holds its lock."""
        options = self._options
        room = options.execution_batch_size - self._batches[-1].size
        if task.size <= room:
            parts = [task]
        elif not options.enable_large_batch_splitting:
            self._check_capacity(1, task.size)
            self._batches.append(_Batch())
            parts = [task]
        else:
            sizes = [room] if room > 0 else []
            sizes += [options.execution_batch_size] * ((task.size - room) // options.execution_batch_size)
            if rest := task.size - sum(sizes):
                sizes.append(rest)
            self._check_capacity(len(sizes) - (room > 0), task.size)
            parts = split(task, sizes) if len(sizes) > 1 else [task]
        for part in parts:
            if self._batches[-1].size + part.size > options.execution_batch_size:
                self._batches.append(_Batch())
            self._batches[-1].add(part)
        return parts

    def take_ready(self, now: float) -> list[Task] | None:
        """Removes and returns the first batch if it may run at `now` (monotonic seconds)."""
        batch = self._batches[0]
        if len(self._batches) == 1:
            if not batch.tasks:
                return None
            if batch.size < self._options.execution_batch_size and now < batch.opened_at + self._timeout:
                return None
            self._batches.append(_Batch())
        self._batches.popleft()
        return batch.tasks

    @property
    def empty(self) -> bool:
        """Whether no task waits."""
        return len(self._batches) == 1 and not self._batches[0].tasks

    @property
    def next_due(self) -> float | None:
        """When the open batch's oldest task has waited long enough, on the monotonic clock."""
        batch = self._batches[0]
        return batch.opened_at + self._timeout if batch.tasks else None

    def takes_alone(self, task: Task) -> bool:
        """Whether a task need not wait for others."""
        return self._timeout == 0 and task.size <= self._options.execution_batch_size

    def _check_capacity(self, new_batches: int, task_size: int) -> None:
        options, enqueued = self._options, len(self._batches)
        if enqueued + new_batches <= options.max_enqueued_batches:
            return
        full = "The batch scheduling queue to which this task was submitted is full; "
        if not options.enable_large_batch_splitting:
            raise unavailable(
                f"{full}currently {enqueued} batches enqueued and max_enqueued_batches is "
                f"{options.max_enqueued_batches}"
            )
        size = options.execution_batch_size
        open_size = self._batches[-1].size
        capacity = (options.max_enqueued_batches - enqueued) * size + size - open_size
        raise unavailable(
            f"{full}task size is {task_size} but scheduling capacity is only {capacity} (num_enqueued_batches="
            f"{enqueued}, max_enqueued_batches={options.max_enqueued_batches}, open_batch_size={open_size}, "
            f"max_execution_batch_size={size})"
        )


class BatchScheduler:
    """The threads that run batches, shared by all queues.

    Args:
        num_threads: Batches that run at the same time.
    """

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._changed = threading.Condition()
        self._queues: deque[BatchQueue] = deque()
        self._running = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{i}", daemon=True) for i in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def add_queue(self, options: BatchingOptions, process: Callable[[list[Task]], None]) -> BatchQueue:
        """A new queue whose batches `process` runs."""
        queue = BatchQueue(self, options, process)
        with self._changed:
            self._queues.append(queue)
        return queue

    def remove_queue(self, queue: BatchQueue) -> None:
        """Forgets a queue that gets no more tasks; those it holds are refused."""
        with self._changed:
            self._queues.remove(queue)
            queue.closed = True
            left = queue._batches
        for batch in left:
            for task in batch.tasks:
                task.finish(error=StatusError(Code.CANCELLED, "the model is being unloaded"))

    def submit(self, queue: BatchQueue, task: Task, split: Callable[[Task, list[int]], list[Task]]) -> list[Task]:
        """See `BatchQueue.submit`."""
        with self._changed:
            if self._closed or queue.closed:
                raise unavailable("the server is shutting down")
            inline = (
                self._running < self._num_threads
                and queue.takes_alone(task)
                and queue.empty
                and all(other.empty for other in self._queues)
            )
            if inline:
                self._running += 1
                parts = [task]
            else:
                parts = queue.enqueue(task, split)
                self._changed.notify()
        if inline:
            self._process(queue, parts)
        return parts

    def close(self) -> None:
        """Stops the threads once what is queued has run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                found = None
                while found is None:
                    found = self._next_batch()
                    if found is None:
                        if self._closed and all(queue.empty for queue in self._queues):
                            return
                        self._changed.wait(self._seconds_to_next_due())
                self._running += 1
            self._process(*found)

    def _next_batch(self) -> tuple[BatchQueue, list[Task]] | None:
        if self._running >= self._num_threads:
            return None
        now = time.monotonic()
        for _ in range(len(self._queues)):
            queue = self._queues[0]
            self._queues.rotate(-1)
            tasks = queue.take_ready(float("inf") if self._closed else now)
            if tasks:
                return queue, tasks
        return None

    def _seconds_to_next_due(self) -> float | None:
        if self._running >= self._num_threads:
            return None
        due = [moment for queue in self._queues if (moment := queue.next_due) is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _process(self, queue: BatchQueue, tasks: list[Task]) -> None:
        try:
            queue.process(tasks)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()
