"""Records into batches for training and for evaluation, as `tf.data`.

Training sees one endless row of patches: epoch 0 in its order, epoch 1 in its order, and so on; batch `b` is the
places `b * batch_size` to `(b + 1) * batch_size` of that row. The order of epoch e is a pure function of (seed, e) and
the augmentation of batch b of (seed, b), so that a run that resumes at step s sees what an unbroken one would.
Every batch is full; how often an epoch shows a patch is said in `components.dataset.order`.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.occlude import occluded
from components.dataset.order import Sampling, balanced_weights, epoch_order
from components.dataset.record_index import RecordIndex
from components.dataset.relight import relit
from components.dataset.statistics import SplitStatistics
from components.dataset.turn import turned
from components.dataset.warp import warped
from components.records.patch_example import FRESH_COL, FRESH_ROW, parse_image_and_label
from components.records.record_format import RecordFormat

_WARP, _OCCLUDE = 1, 2

Stage = Callable[..., tuple[Any, ...]]
"""From the step's number and what the stage before it gave, to what this one gives; tensors all of them."""


def training_batches(
    index: RecordIndex,
    record_format: RecordFormat,
    statistics: SplitStatistics,
    augmentation: AugmentOptions,
    *,
    batch_size: int,
    seed: int,
    start_step: int,
    stop_step: int,
    sampling: Sampling = "uniform",
) -> tf.data.Dataset:
    """The batches of steps `start_step` to `stop_step - 1`.

    Args:
        index: The training records; at least one.
        record_format: Their format.
        statistics: Of the same records; brightness and contrast are measured by it, and classes balanced.
        augmentation: How patches are varied.
        batch_size: Patches a batch.
        seed: Decides order and augmentation.
        start_step, stop_step: Steps counted from the beginning of the whole training.
        sampling: Every patch once an epoch, or drawn so that classes come alike.

    Returns:
        Data set of (image `(batch_size, size, size, bands)` in the sensor's dtype,
        label `(batch_size, size, size)` uint8).

    Raises:
        DataError: If classes are to be balanced and no patch shows any.
    """
    stages = training_stages(
        index, record_format, statistics, augmentation, batch_size=batch_size, seed=seed, sampling=sampling
    )
    return staged_batches(stages.values(), start_step, stop_step)


def staged_batches(stages: Iterable[Stage], start_step: int, stop_step: int) -> tf.data.Dataset:
    """What the last of some stages gives, for steps `start_step` to `stop_step - 1`, in their order."""
    stages = tuple(stages)

    def batch(step: tf.Tensor) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = ()
        for stage in stages:
            parts = stage(step, *parts)
        return parts

    steps = tf.data.Dataset.range(start_step, stop_step)
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(4)


def training_stages(
    index: RecordIndex,
    record_format: RecordFormat,
    statistics: SplitStatistics,
    augmentation: AugmentOptions,
    *,
    batch_size: int,
    seed: int,
    sampling: Sampling = "uniform",
) -> dict[str, Stage]:
    """What `training_batches` does to a step's number, one after the other, with its arguments.

    Returns:
        `read` (serialised records by their offsets), `parse` (image and label), `turn` (flips and quarter turns),
        `warp` (small rotations and scales), `relight` (gamma, brightness and contrast) and `occlude` (a dropped band, a
        hole). What `augmentation` does not ask for gives back what it got.
    """
    numbers = step_records(len(index), statistics, batch_size=batch_size, seed=seed, sampling=sampling)
    mean, stddev = statistics.band_mean, statistics.band_stddev

    def serialized_records(step: NDArray[np.int64]) -> NDArray[np.object_]:
        return np.array(index.read(numbers(int(step))), dtype=object)

    def read(step: tf.Tensor) -> tuple[tf.Tensor]:
        serialized = tf.numpy_function(serialized_records, [step], tf.string, stateful=False)
        return (tf.ensure_shape(serialized, [batch_size]),)

    def parse(_step: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = parse_image_and_label(
            serialized, record_format.patch_size, len(record_format.bands), record_format.dtype
        )
        return (
            tf.ensure_shape(image, [batch_size, *image.shape[1:]]),
            tf.ensure_shape(label, [batch_size, *label.shape[1:]]),
        )

    def turn(step: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return turned(image, label, tf.stack([2 * seed, step]), augmentation)

    def warp(step: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return warped(image, label, _folded(2 * seed, step, _WARP), augmentation, mean, stddev)

    def relight(step: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return relit(image, tf.stack([2 * seed + 1, step]), augmentation, mean, stddev), label

    def occlude(step: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return occluded(image, label, _folded(2 * seed, step, _OCCLUDE), augmentation, mean)

    return {"read": read, "parse": parse, "turn": turn, "warp": warp, "relight": relight, "occlude": occlude}


def step_records(
    records: int, statistics: SplitStatistics, *, batch_size: int, seed: int, sampling: Sampling = "uniform"
) -> Callable[[int], list[int]]:
    """A function from a step, counted from 0, to the numbers of its batch's records.

    Args:
        records: How many there are.
        statistics: Of them.
        batch_size, seed, sampling: As of `training_batches`.

    Raises:
        DataError: If classes are to be balanced and no patch shows any.
    """
    weights = balanced_weights(statistics.class_fraction) if sampling == "class_balanced" else None
    order = lru_cache(maxsize=2)(lambda epoch: epoch_order(records, seed, epoch, weights))

    def numbers(step: int) -> list[int]:
        places = range(step * batch_size, (step + 1) * batch_size)
        return [int(order(place // records)[place % records]) for place in places]

    return numbers


def _folded(first: int, step: tf.Tensor, purpose: int) -> tf.Tensor:
    """A seed `(2,)` for one purpose, apart from those of all others."""
    return tf.random.experimental.stateless_fold_in(tf.stack([first, step]), purpose)


def evaluation_batches(index: RecordIndex, record_format: RecordFormat, batch_size: int) -> tf.data.Dataset:
    """All records once, in order, in batches of one shape.

    Pixels that a neighbouring patch has counted already (`fresh_row`, `fresh_col`), and the patches that fill up the
    last batch, are labelled `VOID_ID`.

    Returns:
        Data set of (image `(batch_size, size, size, bands)`, label `(batch_size, size, size)` uint8).
    """

    def read(first: NDArray[np.int64]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        numbers = np.arange(int(first), int(first) + batch_size)
        present = numbers < len(index)
        return np.array(index.read(np.where(present, numbers, 0)), dtype=object), present

    def batch(first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        serialized, present = tf.numpy_function(read, [first], (tf.string, tf.bool), stateful=False)
        serialized = tf.ensure_shape(serialized, [batch_size])
        present = tf.ensure_shape(present, [batch_size])
        image, label = parse_image_and_label(
            serialized, record_format.patch_size, len(record_format.bands), record_format.dtype
        )
        label = tf.where(present[:, None, None], fresh_label(serialized, label), tf.constant(VOID_ID, tf.uint8))
        return (
            tf.ensure_shape(image, [batch_size, *image.shape[1:]]),
            tf.ensure_shape(label, [batch_size, *label.shape[1:]]),
        )

    firsts = tf.data.Dataset.range(0, len(index), batch_size)
    return firsts.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def fresh_label(serialized: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """`label` with `VOID_ID` where another patch counts the pixel.

    Args:
        serialized: `(batch,)` records.
        label: Their labels `(batch, size, size)` uint8.
    """
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in (FRESH_ROW, FRESH_COL)}
    features = tf.io.parse_example(serialized, spec)
    places = tf.range(label.shape[1], dtype=tf.int64)
    fresh_rows = places[None, :] >= features[FRESH_ROW][:, None]
    fresh_cols = places[None, :] >= features[FRESH_COL][:, None]
    fresh = fresh_rows[:, :, None] & fresh_cols[:, None, :]
    return tf.where(fresh, label, tf.constant(VOID_ID, tf.uint8))
