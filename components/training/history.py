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
        eval_confusion: Pixels by true class (rows) and predicted class, in id order.
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
    eval_confusion: list[list[int]] | None = None


History = list[EpochRecord]


def write_history(history: History, folder: str) -> None:
    """Writes `history.json` into a folder: a list with one object an epoch, keys as in `EpochRecord`."""
    with tf.io.gfile.GFile(os.path.join(folder, HISTORY_FILE), "w") as target:  # noqa: PTH118 folder may be s3://
        json.dump([asdict(record) for record in history], target, indent=1)
