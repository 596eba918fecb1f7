"""How good a network is on the eval split, measured while it trains."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.dataset.patch_dataset import evaluation_batches
from components.dataset.record_index import RecordIndex
from components.records.record_format import RecordFormat
from components.training.confusion import mean_iou, patch_confusions, pixel_accuracy
from components.training.losses import weighted_cross_entropy
from components.training.strategy import distributed, summed_over_replicas


def evaluator(
    model: keras.Model,
    index: RecordIndex,
    record_format: RecordFormat,
    batch_size: int,
    strategy: tf.distribute.Strategy,
) -> Callable[[], dict[str, Any]]:
    """A function that measures the model on the eval split: the `eval_...` fields of an `EpochRecord`.

    `eval_loss` is the unweighted cross entropy, whatever the training minimises, so that trainings can be compared.

    Args:
        model: From patches to logits.
        index: The eval records; with none the function gives an empty dict.
        record_format: Theirs.
        batch_size: Patches a batch.
        strategy: Whose scope the model was made in.
    """
    if not len(index):
        return dict
    table = record_format.table
    classes = len(table)
    batches = distributed(strategy, evaluation_batches(index, record_format, batch_size), batch_size)
    count = -(-len(index) // batch_size)
    unweighted = np.ones(classes, np.float32)

    def measure(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, ...]:
        logits = model(image, training=False)
        confusion = tf.reduce_sum(patch_confusions(label, tf.argmax(logits, axis=-1), classes), axis=0)
        return confusion, weighted_cross_entropy(logits, label, unweighted) * tf.reduce_sum(confusion)

    step = tf.function(summed_over_replicas(strategy, measure))

    def evaluate() -> dict[str, Any]:
        confusion = np.zeros((classes, classes), np.float64)
        loss_sum = 0.0
        for image, label in first_of(batches, count):
            batch_confusion, batch_loss = step(image, label)
            confusion += batch_confusion.numpy().reshape(classes, classes)
            loss_sum += float(batch_loss)
        counted = confusion.sum()
        return {
            "eval_loss": loss_sum / counted if counted else None,
            "eval_mean_iou": mean_iou(confusion, table.scored_ids),
            "eval_pixel_accuracy": pixel_accuracy(confusion),
            "eval_iou": {name: mean_iou(confusion, [i]) for i, name in enumerate(table.names)},
            "eval_confusion": confusion.astype(np.int64).tolist(),
        }

    return evaluate


def first_of(batches: Iterable[Any], count: int) -> Iterator[tuple[Any, Any]]:
    """The first batches of a data set that has as many at least.

    TensorFlow logs a warning whenever an iterator is asked for more than it has; this one never is.
    """
    iterator = iter(batches)
    for _ in range(count):
        yield next(iterator)
