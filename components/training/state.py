"""What a training's checkpoint holds beside the variables, and what follows from it."""

from dataclasses import dataclass
from typing import Any

from components.errors import TrainingError
from components.training.history import EpochRecord, History


@dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
        step: Optimiser steps done.
        loss_sum: Of the steps since the last epoch.
        seconds: Training time so far, without evaluation, over all resumed runs.
        epoch_seconds: The same at the end of the last epoch.
        history: One record an epoch.
    """

    step: int
    loss_sum: float
    seconds: float
    epoch_seconds: float
    history: History

    @classmethod
    def restored(cls, progress: dict[str, Any] | None) -> "TrainingState":
        """The state that a checkpoint's progress describes; of a new training without one.

        Raises:
            TrainingError: If it is not of this version of the code.
        """
        if progress is None:
            return cls(0, 0.0, 0.0, 0.0, [])
        try:
            history = [EpochRecord(**record) for record in progress["history"]]
            return cls(**{**progress, "history": history})
        except (TypeError, KeyError) as error:
            raise TrainingError(
                f"the checkpoint's progress cannot be read: {error}",
                "a checkpoint that this version of EOSeg wrote",
                "delete the checkpoint folder to train from the start, or go on with the version that began",
            ) from error

    def close_epoch(
        self, epoch_steps: int, batch_size: int, learning_rate: float, evaluation: dict[str, Any]
    ) -> EpochRecord:
        """Adds the record of the epoch that ends at this step."""
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


def best_epoch(history: History) -> EpochRecord | None:
    """The first epoch with the highest eval mean IoU; None if none has one."""
    measured = [record for record in history if record.eval_mean_iou is not None]
    return max(measured, key=lambda record: record.eval_mean_iou or 0.0, default=None)


def is_over(history: History, patience: int | None) -> bool:
    """Whether the last `patience` epochs brought no better eval mean IoU than the best one before them."""
    best = best_epoch(history)
    return patience is not None and best is not None and history[-1].epoch - best.epoch >= patience
