"""The lines a person watches while a network trains."""

import shutil
import sys
import time
from typing import TextIO

from components.training.history import EpochRecord

_REDRAW_SECONDS = 0.5
_CLEAR = "\r\x1b[2K"


class ProgressLines:
    """One line an epoch; on a terminal the current one is redrawn as the steps go by.

    Args:
        steps: Steps in all.
        first_step: Steps done before this run.
        epoch_steps: Steps an epoch.
        batch_size: Patches a step.
        stream: Where to write; None is standard output.
    """

    def __init__(
        self, steps: int, first_step: int, epoch_steps: int, batch_size: int, stream: TextIO | None = None
    ) -> None:
        self._steps = steps
        self._epoch_steps = epoch_steps
        self._epochs = -(-steps // epoch_steps)
        self._batch_size = batch_size
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._drawn = 0.0
        self._unfinished = False
        self._quality = ""
        # The first step compiles: speed and what is left are reckoned from the second on.
        self._first_step = first_step + 1
        self._started = self._epoch_started = time.monotonic()
        self._epoch_step = self._first_step

    def say(self, text: str) -> None:
        """Writes a line of its own."""
        self._stream.write((_CLEAR if self._live else "") + text + "\n")
        self._stream.flush()
        self._unfinished = False

    def step(self, step: int, loss: float) -> None:
        """Notes that `step` steps are done."""
        now = time.monotonic()
        if step == self._first_step:
            self._started = self._epoch_started = now
        if self._live and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            self._redraw(step, loss, now)

    def epoch(self, record: EpochRecord) -> None:
        """Writes the line of a finished epoch."""
        parts = [f"epoch {record.epoch}/{self._epochs}", f"step {record.step}/{self._steps}", f"loss {record.loss:.3f}"]
        if record.eval_mean_iou is not None:
            self._quality = f"eval mean IoU {record.eval_mean_iou:.3f}"
            parts.append(self._quality)
        if record.eval_pixel_accuracy is not None:
            parts.append(f"pixel accuracy {record.eval_pixel_accuracy:.3f}")
        parts.append(f"{record.patches_per_second:.1f} patches/s")
        self.say("  ".join(parts) + self._left(record.step))
        self._epoch_started, self._epoch_step = time.monotonic(), max(record.step, self._first_step)

    def close(self) -> None:
        """Leaves the terminal at the beginning of a line, also when the training breaks off in the middle of one."""
        if self._unfinished:
            self._stream.write("\n")
            self._stream.flush()
            self._unfinished = False

    def _redraw(self, step: int, loss: float, now: float) -> None:
        epoch = -(-step // self._epoch_steps)
        head = f"epoch {epoch}/{self._epochs}  step {step}/{self._steps}  loss {loss:.3f}"
        left = self._left(step)
        # What the epoch before it measured, and the speed, where they fit: a line that wraps cannot be redrawn.
        columns = shutil.get_terminal_size().columns - 1
        for part in (self._quality, self._speed(step, now)):
            if part and len(head) + 2 + len(part) + len(left) <= columns:
                head += f"  {part}"
        self._stream.write(_CLEAR + (head + left)[:columns])
        self._stream.flush()
        self._unfinished = True

    def _speed(self, step: int, now: float) -> str:
        done = step - self._epoch_step
        if done <= 0:
            return ""
        return f"{done * self._batch_size / max(now - self._epoch_started, 1e-9):.1f} patches/s"

    def _left(self, step: int) -> str:
        done = step - self._first_step
        if done <= 0 or step >= self._steps:
            return ""
        seconds = round((time.monotonic() - self._started) / done * (self._steps - step))
        return f"  {seconds // 60} min {seconds % 60:02d} s left" if seconds >= 60 else f"  {seconds} s left"
