"""Trains a network on records; a killed training goes on from its last checkpoint when it is called again.

On one device, with the same seed, a resumed training ends with the same weights as an unbroken one: batches are a
function of the step (`components.dataset.patch_dataset`), and a checkpoint holds everything else.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TextIO

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.dataset.patch_dataset import step_records, training_batches
from components.dataset.record_index import RecordIndex, index_records
from components.dataset.record_places import record_places
from components.dataset.statistics import SplitStatistics, split_statistics
from components.errors import ConfigError, DataError, TrainingError
from components.records.record_format import RecordFormat
from components.training.best_weights import BestWeights
from components.training.checkpoint import LAST, load_checkpoint, save_checkpoint
from components.training.class_weights import class_weights
from components.training.diverged import diverged
from components.training.evaluator import evaluator, first_of
from components.training.history import History
from components.training.journal import Journal
from components.training.learner import Learner, build_learner
from components.training.network_fit import check_batch, check_network
from components.training.networks import build_network
from components.training.options import NetworkOptions, TrainingOptions
from components.training.pictures import Sheet, augmented_sheet
from components.training.progress import ProgressLines
from components.training.slow_precision import read_cpu_facts, slow_precision
from components.training.state import TrainingState, best_epoch, is_over
from components.training.strategy import distributed, is_chief, open_strategy
from components.training.total_loss import loss_of_outputs
from components.training.train_step import train_step
from components.training.warm_start import BaseModel, start_from


@dataclass(frozen=True)
class TrainedNetwork:
    """What a training gives.

    Attributes:
        model: From patches in the sensor's numbers to logits, in float32 whatever the training's precision was.
        history: One record an epoch.
        statistics: Of the training split.
        augmented: Patches as they were recorded and as they were varied.
    """

    model: keras.Model
    history: History
    statistics: SplitStatistics
    augmented: Sheet


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
    strategy: tf.distribute.Strategy | None = None,
    base: BaseModel | None = None,
) -> TrainedNetwork:
    """Trains a network, or goes on training it.

    Args:
        train_files: Uncompressed TFRecord files with at least one record.
        eval_files: The same for the eval split; none is fine, then no quality is measured.
        record_format: Of all of them.
        network: Which network.
        training: How it is trained.
        folder: Holds the checkpoint. Give the same one to resume, and only to resume. Of several workers the first one
            writes it and all read it.
        log_folder: For TensorBoard; None writes none.
        stream: For progress lines; None is standard output.
        statistics: Of the training files, where they are known already.
        strategy: From `components.training.strategy.open_strategy`; None opens it here, which is too late for several
            machines.
        base: Whose weights to start from, unless there is a checkpoint to go on from.

    Raises:
        ConfigError: If the training asks for a device or a class that is not there, or only warms up.
        DataError: If there is no training record, no label to learn from, the records do not fit the format, or the
            eval split shows nothing by which to stop early or to choose the best epoch.
        NetworkError: If the network cannot take the patch size, or learn from such batches.
        DivergedError: If the loss or a weight is no longer a number. The last good checkpoint stays.
        TrainingError: If the checkpoint cannot be used, or written.
    """
    check_network(network, record_format.patch_size)
    if not train_files:
        raise DataError("the training split has no files", "at least one record", "give the split at least one tile")
    strategy = strategy or open_strategy(training)
    check_batch(network, training.batch_size, strategy.num_replicas_in_sync)
    statistics = statistics or split_statistics(train_files, record_format)
    train_index, eval_index = index_records(train_files), index_records(eval_files)
    if not len(eval_index):
        _check_no_choice(training, "the eval split has no record")
    steps = training.total_steps(len(train_index))
    _check_warmup(training, steps, len(train_index))
    mean, stddev = statistics.band_mean.tolist(), statistics.band_stddev.tolist()
    build = partial(build_network, network, record_format, mean, stddev, seed=training.seed)
    weights = class_weights(training, statistics, record_format.table.names)
    checkpoint = os.path.join(folder, LAST)  # noqa: PTH118 the folder may be s3://
    # Of a training that goes on, the checkpoint holds the weights: nothing is fetched for them again.
    anew = not tf.io.gfile.exists(checkpoint)
    learner = build_learner(build, training, steps, strategy, pretrained=anew)
    started = start_from(learner, base) if base is not None and anew else ""
    writes = is_chief(strategy)
    if writes:
        tf.io.gfile.makedirs(folder)
    state = TrainingState.restored(load_checkpoint(checkpoint, learner.variables))
    if state.step > steps:
        raise TrainingError(
            f"the checkpoint {checkpoint} is {state.step} steps on, this training ends after {steps}",
            "a checkpoint of this very training",
            "give a shorter training a folder of its own, or delete this one to train from the start",
        )
    epoch_steps = min(training.epoch_steps(len(train_index)), steps)
    lines = ProgressLines(steps, state.step, epoch_steps, training.batch_size, stream)
    journal = Journal(
        lines, log_folder if writes else None, state.history, training, record_format, statistics, eval_index
    )
    slow = slow_precision(training, len(tf.config.get_visible_devices("GPU")), read_cpu_facts())
    for remark in filter(None, (started, slow)):
        journal.say(remark)
    augmented = augmented_sheet(train_index, record_format, statistics, training.augmentation, training.seed)
    journal.augmented(augmented)
    run = _Run(
        learner, state, journal, training, record_format, statistics, train_index, steps, epoch_steps, folder, writes
    )
    try:
        run.to_the_end(weights, evaluator(learner.exported, eval_index, record_format, training.batch_size, strategy))
    finally:
        journal.close()
    return TrainedNetwork(learner.plain(), state.history, statistics, augmented)


@dataclass
class _Run:
    """One process's share of a training."""

    learner: Learner
    state: TrainingState
    journal: Journal
    training: TrainingOptions
    record_format: RecordFormat
    statistics: SplitStatistics
    index: RecordIndex
    steps: int
    epoch_steps: int
    folder: str
    writes: bool

    def to_the_end(self, weights: NDArray[np.float32], evaluate: Callable[[], dict[str, Any]]) -> None:
        """Does the steps that are left, and leaves in the learner what is to be exported."""
        state, training, strategy = self.state, self.training, self.learner.strategy
        if state.step:
            self.journal.say(f"going on from the checkpoint at step {state.step} of {self.steps}")
        checkpoint_every = training.checkpoint_every or self.epoch_steps
        loss_of = partial(loss_of_outputs, options=training.loss, class_weights=weights)
        step = train_step(self.learner, loss_of, jit_compile=training.jit_compile)
        over = is_over(state.history, training.early_stopping_epochs)
        mark = time.monotonic()
        batches = distributed(strategy, self._batches(), training.batch_size)
        for image, label in first_of(batches, 0 if over else self.steps - state.step):
            self.journal.before_step(state.step + 1)
            loss = float(step(image, label))
            state.step += 1
            state.loss_sum += loss
            if not np.isfinite(loss):
                raise self._diverged(f"the loss became {loss}")
            self.journal.after_step(state.step, loss)
            ends_epoch = state.step % self.epoch_steps == 0 or state.step == self.steps
            if not ends_epoch and state.step % checkpoint_every:
                continue
            state.seconds += time.monotonic() - mark
            if ends_epoch:
                self._close_epoch(evaluate())
                over = is_over(state.history, training.early_stopping_epochs)
            if over or state.step % checkpoint_every == 0 or state.step == self.steps:
                self._save()
            if over:
                break
            mark = time.monotonic()
        if over:
            self.journal.say(f"stopped: no better eval mean IoU for {training.early_stopping_epochs} epochs")
        best = best_epoch(state.history)
        if training.export == "best" and best and self.writes:
            self._best.restore(best.step)

    @property
    def _checkpoint(self) -> str:
        return os.path.join(self.folder, LAST)  # noqa: PTH118 the folder may be s3://

    @property
    def _best(self) -> BestWeights:
        return BestWeights(self.folder, self.learner.exported.variables)

    @property
    def _draws(self) -> dict[str, Any]:
        return {"batch_size": self.training.batch_size, "seed": self.training.seed, "sampling": self.training.sampling}

    def _batches(self) -> tf.data.Dataset:
        return training_batches(
            self.index,
            self.record_format,
            self.statistics,
            self.training.augmentation,
            start_step=self.state.step,
            stop_step=self.steps,
            **self._draws,
        )

    def _close_epoch(self, evaluation: dict[str, Any]) -> None:
        if evaluation.get("eval_mean_iou") is None:
            _check_no_choice(self.training, "the eval split shows no pixel of a scored class")
        rate = self.learner.learning_rate()
        record = self.state.close_epoch(self.epoch_steps, self.training.batch_size, rate, evaluation)
        if self.training.export == "best" and self.writes and best_epoch(self.state.history) is record:
            self._best.save(record.step)
        self.journal.epoch(record, self.learner.exported)

    def _save(self) -> None:
        if not self.learner.is_finite():
            raise self._diverged("a weight is no longer a number")
        if not self.writes:
            return
        save_checkpoint(self._checkpoint, self.learner.variables, asdict(self.state))
        best = best_epoch(self.state.history)
        if self.training.export == "best" and best:
            self._best.keep_only(best.step)

    def _diverged(self, what: str) -> TrainingError:
        step = self.state.step
        numbers = step_records(len(self.index), self.statistics, **self._draws)(step - 1)
        kept = self._checkpoint if tf.io.gfile.exists(self._checkpoint) else None
        return diverged(what, step, self.training, kept, record_places(self.index, numbers, self.record_format))


def _check_warmup(training: TrainingOptions, steps: int, records: int) -> None:
    """Refuses what a training given in epochs shows only now: that its rate would do nothing but rise."""
    if training.warmup_steps and training.warmup_steps >= steps:
        raise ConfigError(
            f"training.warmup_steps is {training.warmup_steps}, but {training.epochs} epochs of {records} patches are "
            f"{steps} steps of {training.batch_size}",
            "a warm-up that leaves steps to train with",
            "set training.warmup_steps lower, or training.epochs higher",
        )


def _check_no_choice(training: TrainingOptions, problem: str) -> None:
    """Refuses what would have to be decided by the eval split, where that cannot say anything."""
    asked = [
        key
        for key, value in (
            ("training.early_stopping_epochs", training.early_stopping_epochs),
            ("training.export: best", training.export == "best"),
        )
        if value
    ]
    if asked:
        raise DataError(
            f"{' and '.join(asked)} go by the mean IoU on the eval split, but {problem}",
            "labelled patches in the eval split",
            f"give eval a labelled tile, or leave {' and '.join(asked)} out",
        )
