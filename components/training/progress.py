"""The lines a person watches while a network trains."""

import sys
import time
from typing import TextIO

from components.training.history import EpochRecord

_REDRAW_SECONDS = 0.5


class ProgressLines:
    """One line an epoch; on a terminal the current one is redrawn as the steps go by.

    Args:
        steps: Steps in all.
        first_step: Steps done before this run.
        epoch_steps: Steps an epoch.
        stream: Where to write; None is standard output.
    """

    def __init__(self, steps: int, first_step: int, epoch_steps: int, stream: TextIO | None = None) -> None:
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._epochs = -(-steps // epoch_steps)
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._drawn = 0.0
        # The first step compiles: what is left is reckoned from the second on.
        self._started = time.monotonic()
        self._first_step = first_step + 1

    def say(self, text: str) -> None:
        """Writes a line of its own."""
        self._stream.write(("\r\x1b[2K" if self._live else "") + text + "\n")
        self._stream.flush()

    def step(self, step: int, loss: float) -> None:
        """Notes that `step` steps are done."""
        now = time.monotonic()
        if step == self._first_step:
            self._started = now
        if self._live and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            epoch = -(-step // self._epoch_steps)
            text = f"epoch {epoch}/{self._epochs}  step {step}/{self._steps}  loss {loss:.3f}{self._left(step)}"
            self._stream.write("\r\x1b[2K" + text)
            self._stream.flush()

    def epoch(self, record: EpochRecord) -> None:
        """Writes the line of a finished epoch."""
        parts = [f"epoch {record.epoch}/{self._epochs}", f"step {record.step}/{self._steps}", f"loss {record.loss:.3f}"]
        if record.eval_mean_iou is not None:
            parts.append(f"eval mean IoU {record.eval_mean_iou:.3f}")
        if record.eval_pixel_accuracy is not None:
            parts.append(f"pixel accuracy {record.eval_pixel_accuracy:.3f}")
        parts.append(f"{record.patches_per_second:.1f} patches/s")
        self.say("  ".join(parts) + self._left(record.step))

    def _left(self, step: int) -> str:
        done = step - self._first_step
        if done <= 0 or step >= self._steps:
            return ""
        seconds = round((time.monotonic() - self._started) / done * (self._steps - step))
        return f"  {seconds // 60} min {seconds % 60:02d} s left" if seconds >= 60 else f"  {seconds} s left"
