"""What happened in each epoch: for the progress line, for TensorBoard, for the report."""

import json
import os
from dataclasses import asdict, dataclass

import tensorflow as tf

HISTORY_FILE = "history.json"


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: Counted from 1.
        step: Optimiser steps done at its end.
        loss: Mean over its steps.
        learning_rate: Of its last step.
        patches_per_second: Trained in this epoch, without evaluation.
        seconds: Training time so far, without evaluation, over all resumed runs.
        eval_loss, eval_mean_iou, eval_pixel_accuracy: On the eval split; None where there is none.
        eval_iou: By class name; None for a class that is absent.
    """

    epoch: int
    step: int
    loss: float
    learning_rate: float
    patches_per_second: float
    seconds: float
    eval_loss: float | None = None
    eval_mean_iou: float | None = None
    eval_pixel_accuracy: float | None = None
    eval_iou: dict[str, float | None] | None = None


History = list[EpochRecord]


def write_history(history: History, folder: str) -> None:
    """Writes `history.json` into a folder: a list with one object an epoch, keys as in `EpochRecord`."""
    with tf.io.gfile.GFile(os.path.join(folder, HISTORY_FILE), "w") as target:  # noqa: PTH118 folder may be s3://
        json.dump([asdict(record) for record in history], target, indent=1)


class TensorBoardLog:
    """Writes epochs as TensorBoard scalars.

    Args:
        folder: Where the event file goes; None writes nothing.
        history: Epochs that an earlier, killed run did; they are written again, so that the curves are whole.
    """

    def __init__(self, folder: str | None, history: History) -> None:
        self._writer = tf.summary.create_file_writer(folder) if folder else None
        for record in history:
            self.add(record)

    def add(self, record: EpochRecord) -> None:
        """Writes one epoch."""
        if self._writer is None:
            return
        scalars = {
            "train/loss": record.loss,
            "train/learning_rate": record.learning_rate,
            "train/patches_per_second": record.patches_per_second,
            "eval/loss": record.eval_loss,
            "eval/mean_iou": record.eval_mean_iou,
            "eval/pixel_accuracy": record.eval_pixel_accuracy,
            **{f"eval_iou/{name}": iou for name, iou in (record.eval_iou or {}).items()},
        }
        with self._writer.as_default(step=record.step):
            for name, value in scalars.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        self._writer.flush()

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
