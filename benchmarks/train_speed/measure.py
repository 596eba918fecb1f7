"""Seconds of works that take turns, and the peak memory of a step in a process of its own."""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import tensorflow as tf

from benchmarks.train_speed.records import scene_format
from benchmarks.train_speed.steps import KINDS, constant_batch, make_learner, make_step

MATMUL_SIDE = 2048


@dataclass
class Times:
    """Of one work, one entry a round.

    Attributes:
        wall: Seconds a call.
        cpu: Seconds of all of the process's threads a call: nearly free of what else the machine does.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def take_turns(works: Mapping[str, Callable[[], object]], rounds: int, calls: Mapping[str, int]) -> dict[str, Times]:
    """Every work `calls` times (1 where not named) in each round; each has been called before."""
    times = {name: Times() for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            count = calls.get(name, 1)
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(count):
                work()
            times[name].wall.append((time.perf_counter() - wall) / count)
            times[name].cpu.append((time.process_time() - cpu) / count)
    return times


def ratio(first: Times, second: Times) -> dict[str, float]:
    """The first's time over the second's: in the same round, at best, and in processor time."""
    return {
        "median_of_rounds": round(median(a / b for a, b in zip(first.wall, second.wall, strict=True)), 3),
        "best": round(min(first.wall) / min(second.wall), 3),
        "cpu": round(median(first.cpu) / median(second.cpu), 3),
    }


def matrix_multiplication(dtype: str) -> Callable[[], object]:
    """One product of two square matrices; the sum is fetched, so that the product is over when the call is."""
    matrix = tf.cast(tf.random.stateless_normal((MATMUL_SIDE, MATMUL_SIDE), (0, 0)), dtype)
    product = tf.function(lambda: tf.reduce_max(tf.linalg.matmul(matrix, matrix)))
    return lambda: float(product())


def shares(operations: float, step: Times, product: Times) -> dict[str, float]:
    """The step's rate over the matrix product's: in the same round, at best, and in processor time."""
    work = operations / (2.0 * MATMUL_SIDE**3)
    return {name: round(work * value, 3) for name, value in ratio(product, step).items()}


def peak_memory_mb(name: str, size: int, width: float, batch_size: int, steps: int = 3) -> float:
    """The peak while a step is built and done a few times, above what imports take; for a process of its own."""
    record_format = scene_format(size)
    image, label = constant_batch(record_format, batch_size)
    status = Path("/proc/self/status")

    def kilobytes(key: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key))

    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = kilobytes("VmRSS")
    step = make_step(KINDS[name], make_learner(KINDS[name], record_format, width), len(record_format.table))
    for _ in range(steps):
        float(step(image, label))
    return round((kilobytes("VmHWM") - before) / 1024, 1)


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
