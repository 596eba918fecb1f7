"""What TensorBoard shows of a training."""

from collections.abc import Sequence

import tensorflow as tf

from components.training.history import EpochRecord, History
from components.training.pictures import Sheet, confusion_sheet


class TensorBoardLog:
    """Writes epochs as scalars, with the confusion matrix as a picture and as a table; and pictures.

    Args:
        folder: Where the event file goes; None writes nothing.
        history: Epochs that an earlier, killed run did; they are written again, so that the curves are whole.
        class_names: In id order.
    """

    def __init__(self, folder: str | None, history: History, class_names: Sequence[str]) -> None:
        self._writer = tf.summary.create_file_writer(folder) if folder else None
        self._class_names = class_names
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
            if record.eval_confusion:
                tf.summary.image("eval/confusion", confusion_sheet(record.eval_confusion)[None])
                tf.summary.text("eval/confusion_table", _table(record.eval_confusion, self._class_names))
        self._writer.flush()

    def picture(self, name: str, sheet: Sheet, step: int) -> None:
        """Writes a picture `(height, width, 3)` uint8."""
        if self._writer is None:
            return
        with self._writer.as_default(step=step):
            tf.summary.image(name, sheet[None])
        self._writer.flush()

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()


def _table(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """A confusion matrix as a Markdown table."""
    head = ["| truth \\ prediction | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    rows = [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in zip(names, confusion, strict=True)]
    return "\n".join([*head, *rows])
