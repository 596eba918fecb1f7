"""What a person can follow of a training: its lines, and TensorBoard with its pictures."""

import keras
import tensorflow as tf

from components.dataset.record_index import RecordIndex
from components.dataset.statistics import SplitStatistics
from components.records.record_format import RecordFormat
from components.training.history import EpochRecord, History
from components.training.options import TrainingOptions
from components.training.pictures import Sheet, prediction_samples, prediction_sheet
from components.training.progress import ProgressLines
from components.training.signatures import class_ids_of
from components.training.tensorboard import TensorBoardLog


class Journal:
    """Told of each step and each epoch.

    Args:
        lines: For the terminal.
        log_folder: For TensorBoard; None writes none.
        history: Epochs done already.
        training: Its `profile_steps` count.
        record_format: Of the records.
        statistics: Of the training records.
        eval_index: Sample predictions are made of its records.
    """

    def __init__(
        self,
        lines: ProgressLines,
        log_folder: str | None,
        history: History,
        training: TrainingOptions,
        record_format: RecordFormat,
        statistics: SplitStatistics,
        eval_index: RecordIndex,
    ) -> None:
        self._lines = lines
        self._log = TensorBoardLog(log_folder, history, record_format.table.names)
        self._log_folder = log_folder
        self._format = record_format
        self._statistics = statistics
        self._samples = prediction_samples(eval_index, record_format) if log_folder and len(eval_index) else None
        self._profile_steps = training.profile_steps if log_folder else None
        self._profiling = False

    def say(self, text: str) -> None:
        """Writes a line."""
        self._lines.say(text)

    def augmented(self, sheet: Sheet) -> None:
        """Shows samples of augmentation."""
        self._log.picture("train/augmented", sheet, 0)

    def before_step(self, step: int) -> None:
        """Begins the profile before the first of its steps that is trained now."""
        if self._profile_steps and self._profile_steps[0] <= step <= self._profile_steps[1] and not self._profiling:
            tf.profiler.experimental.start(self._log_folder)
            self._profiling = True

    def after_step(self, step: int, loss: float) -> None:
        """Notes that `step` steps are done."""
        if self._profiling and self._profile_steps and step >= self._profile_steps[1]:
            self._stop_profile()
            self._profile_steps = None
        self._lines.step(step, loss)

    def epoch(self, record: EpochRecord, model: keras.Model) -> None:
        """Notes an epoch, with predictions of the model after it."""
        self._log.add(record)
        if self._samples:
            image, label = self._samples
            class_ids = class_ids_of(model(image, training=False)).numpy()
            sheet = prediction_sheet(image, label, class_ids, self._format, self._statistics)
            self._log.picture("eval/predictions", sheet, record.step)
        self._lines.epoch(record)

    def close(self) -> None:
        """Ends the profile, the line on the terminal, and the event file."""
        if self._profiling:
            self._stop_profile()
        elif self._profile_steps:
            first, last = self._profile_steps
            self.say(f"no profile was made: none of the steps {first} to {last} was trained now")
        self._lines.close()
        self._log.close()

    def _stop_profile(self) -> None:
        tf.profiler.experimental.stop()
        self._profiling = False
