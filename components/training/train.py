"""Trains a network on records; a killed training goes on from its last checkpoint when it is called again.

On one device, with the same seed, a resumed training ends with the same weights as an unbroken one: batches are a
function of the step (`components.dataset.patch_dataset`), and a checkpoint holds everything else.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TextIO

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.dataset.patch_dataset import evaluation_batches, training_batches
from components.dataset.record_index import RecordIndex, index_records
from components.dataset.statistics import SplitStatistics, split_statistics
from components.errors import DataError, TrainingError
from components.records.record_format import RecordFormat
from components.training.checkpoint import LAST, load_checkpoint, save_checkpoint
from components.training.confusion import mean_iou, patch_confusions, pixel_accuracy
from components.training.history import EpochRecord, History, TensorBoardLog
from components.training.losses import median_frequency_weights, weighted_cross_entropy
from components.training.networks import build_network, check_network
from components.training.optimizer import build_optimizer
from components.training.options import NetworkOptions, TrainingOptions
from components.training.progress import ProgressLines


@dataclass(frozen=True)
class TrainedNetwork:
    """What a training gives.

    Attributes:
        model: From patches in the sensor's numbers to logits, in float32 whatever the training's precision was.
        history: One record an epoch.
        statistics: Of the training split.
    """

    model: keras.Model
    history: History
    statistics: SplitStatistics


def train(
    train_files: Sequence[str],
    eval_files: Sequence[str],
    record_format: RecordFormat,
    network: NetworkOptions,
    training: TrainingOptions,
    folder: str,
    *,
    log_folder: str | None = None,
    stream: TextIO | None = None,
    statistics: SplitStatistics | None = None,
) -> TrainedNetwork:
    """Trains a network, or goes on training it.

    Args:
        train_files: Uncompressed TFRecord files with at least one record.
        eval_files: The same for the eval split; none is fine, then no quality is measured.
        record_format: Of all of them.
        network: Which network.
        training: How it is trained.
        folder: Holds the checkpoint. Give the same one to resume, and only to resume.
        log_folder: For TensorBoard; None writes none.
        stream: For progress lines; None is standard output.
        statistics: Of the training files, where they are known already.

    Raises:
        DataError: If there is no training record, or the records do not fit the format.
        NetworkError: If the network cannot take the patch size.
        TrainingError: If the loss is no longer a number, or the checkpoint cannot be used. The last good checkpoint
            stays.
    """
    check_network(network, record_format.patch_size)
    if not train_files:
        raise DataError("the training split has no files", "at least one record", "give the split at least one tile")
    statistics = statistics or split_statistics(train_files, record_format)
    train_index = index_records(train_files)
    eval_index = index_records(eval_files)
    steps = training.total_steps(len(train_index))
    epoch_steps = min(training.epoch_steps(len(train_index)), steps)

    model = _network(network, record_format, statistics, training, training.precision)
    optimizer = build_optimizer(training, steps)
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    tf.io.gfile.makedirs(folder)
    checkpoint = os.path.join(folder, LAST)  # noqa: PTH118 the folder may be s3://
    state = _State.restored(load_checkpoint(checkpoint, variables))
    progress = ProgressLines(steps, state.step, epoch_steps, stream)
    if state.step:
        progress.say(f"going on from the checkpoint at step {state.step} of {steps}")
    log = TensorBoardLog(log_folder, state.history)
    train_step = _train_step(model, optimizer, _class_weights(training, statistics), training.jit_compile)
    evaluate = _evaluator(model, eval_index, record_format, training.batch_size)
    batches = training_batches(
        train_index,
        record_format,
        statistics,
        training.augmentation,
        batch_size=training.batch_size,
        seed=training.seed,
        start_step=state.step,
        stop_step=steps,
        sampling=training.sampling,
    )
    checkpoint_every = training.checkpoint_every or epoch_steps
    mark = time.monotonic()
    for image, label in _each(batches):
        loss = float(train_step(image, label))
        state.step += 1
        state.loss_sum += loss
        if not np.isfinite(loss):
            raise _diverged(state.step, loss, training, checkpoint)
        progress.step(state.step, loss)
        ends_epoch = state.step % epoch_steps == 0 or state.step == steps
        if ends_epoch or state.step % checkpoint_every == 0:
            state.seconds += time.monotonic() - mark
            if ends_epoch:
                record = state.epoch_record(epoch_steps, training.batch_size, _learning_rate(optimizer), evaluate())
                log.add(record)
                progress.epoch(record)
            if state.step % checkpoint_every == 0 or state.step == steps:
                save_checkpoint(checkpoint, variables, asdict(state))
            mark = time.monotonic()
    log.close()
    if training.precision != "float32":
        # A model server without bfloat16 units would crawl through the mixed graph.
        exact = _network(network, record_format, statistics, training, "float32")
        exact.set_weights(model.get_weights())
        model = exact
    return TrainedNetwork(model, state.history, statistics)


@dataclass
class _State:
    """What a checkpoint holds beside the variables."""

    step: int
    loss_sum: float
    seconds: float
    epoch_seconds: float
    history: History

    @classmethod
    def restored(cls, progress: dict[str, Any] | None) -> "_State":
        if progress is None:
            return cls(0, 0.0, 0.0, 0.0, [])
        history = [EpochRecord(**record) for record in progress.pop("history")]
        return cls(**progress, history=history)

    def epoch_record(
        self, epoch_steps: int, batch_size: int, learning_rate: float, evaluation: dict[str, Any]
    ) -> EpochRecord:
        """Closes the epoch that ends at this step."""
        done = self.step % epoch_steps or epoch_steps
        record = EpochRecord(
            epoch=-(-self.step // epoch_steps),
            step=self.step,
            loss=self.loss_sum / done,
            learning_rate=learning_rate,
            patches_per_second=done * batch_size / max(self.seconds - self.epoch_seconds, 1e-9),
            seconds=self.seconds,
            **evaluation,
        )
        self.history.append(record)
        self.loss_sum, self.epoch_seconds = 0.0, self.seconds
        return record


def _network(
    network: NetworkOptions,
    record_format: RecordFormat,
    statistics: SplitStatistics,
    training: TrainingOptions,
    dtype: str,
) -> keras.Model:
    mean, stddev = statistics.band_mean.tolist(), statistics.band_stddev.tolist()
    return build_network(network, record_format, mean, stddev, seed=training.seed, dtype=dtype)


def _class_weights(training: TrainingOptions, statistics: SplitStatistics) -> NDArray[np.float32]:
    if training.class_weights == "none":
        return np.ones(len(statistics.class_pixels), np.float32)
    return median_frequency_weights(statistics.class_pixels, statistics.class_patch_pixels, training.max_class_weight)


def _train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    class_weights: NDArray[np.float32],
    jit_compile: bool,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """One optimiser step on (image, label); gives the batch's loss."""

    @tf.function(jit_compile=jit_compile)
    def step(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = weighted_cross_entropy(model(image, training=True), label, class_weights)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step  # type: ignore[no-any-return]


def _evaluator(
    model: keras.Model, index: RecordIndex, record_format: RecordFormat, batch_size: int
) -> Callable[[], dict[str, Any]]:
    """A function that measures the model on the eval split: the `eval_...` fields of an `EpochRecord`."""
    if not len(index):
        return dict
    table = record_format.table
    classes = len(table)
    batches = evaluation_batches(index, record_format, batch_size)
    unweighted = np.ones(classes, np.float32)

    @tf.function
    def step(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(image, training=False)
        confusions = patch_confusions(label, tf.argmax(logits, axis=-1), classes)
        return tf.reduce_sum(confusions, axis=0), weighted_cross_entropy(logits, label, unweighted)

    def evaluate() -> dict[str, Any]:
        confusion = np.zeros((classes, classes), np.float64)
        loss_sum = 0.0
        for image, label in _each(batches):
            batch_confusion, loss = step(image, label)
            counts = batch_confusion.numpy().reshape(classes, classes)
            confusion += counts
            loss_sum += float(loss) * float(counts.sum())
        counted = confusion.sum()
        return {
            "eval_loss": loss_sum / counted if counted else None,
            "eval_mean_iou": mean_iou(confusion, table.scored_ids),
            "eval_pixel_accuracy": pixel_accuracy(confusion),
            "eval_iou": {name: mean_iou(confusion, [i]) for i, name in enumerate(table.names)},
        }

    return evaluate


def _each(batches: tf.data.Dataset) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """The batches of a data set of known length.

    TensorFlow logs a warning whenever an iterator is asked for more than it has; this one never is.
    """
    iterator = iter(batches)
    for _ in range(int(batches.cardinality())):
        yield next(iterator)


def _learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _diverged(step: int, loss: float, training: TrainingOptions, checkpoint: str) -> TrainingError:
    kept = f"; the checkpoint before it is {checkpoint}" if tf.io.gfile.exists(checkpoint) else ""
    return TrainingError(
        f"the loss became {loss} at step {step}, with learning rate {training.learning_rate}{kept}",
        "a finite loss",
        f"set training.learning_rate lower (say {training.learning_rate / 3:.1g}), add training.warmup_steps or "
        "training.gradient_clip; if it is so from the first step, look for values that are no numbers in the tiles",
    )
