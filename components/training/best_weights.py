"""The weights of the epoch with the best eval mean IoU, kept beside the last checkpoint.

Each candidate is a file of its own, named by its step, and the one before it is removed only when the checkpoint that
knows of the new one is written: a training that is killed in between and goes on from the older checkpoint finds what
was best at that time.
"""

import os
import re
from collections.abc import Sequence

import keras
import tensorflow as tf

from components.errors import TrainingError
from components.training.checkpoint import PART, load_checkpoint, save_checkpoint

_NAME = re.compile(rf"best-(\d{{8}})\.npz({re.escape(PART)})?")


class BestWeights:
    """Files `best-<step>.npz` in a folder.

    Args:
        folder: The checkpoint's.
        variables: Of the network as it is exported.
    """

    def __init__(self, folder: str, variables: Sequence[keras.Variable]) -> None:
        self._folder = folder
        self._variables = variables

    def save(self, step: int) -> None:
        """Writes the weights as they are."""
        save_checkpoint(self._path(step), self._variables, {"step": step})

    def keep_only(self, step: int) -> None:
        """Removes the files of all steps but one, and what a kill left half written."""
        for name in tf.io.gfile.listdir(self._folder):
            match = _NAME.fullmatch(name)
            if match and (match[2] or int(match[1]) != step):
                tf.io.gfile.remove(os.path.join(self._folder, name))  # noqa: PTH118 the folder may be s3://

    def restore(self, step: int) -> None:
        """Sets the weights to what they were after a step.

        Raises:
            TrainingError: If the file is not there, or damaged.
        """
        if load_checkpoint(self._path(step), self._variables) is None:
            raise TrainingError(
                f"{self._path(step)}, the weights of the best epoch, is gone",
                "the files of a training's checkpoint folder as it left them",
                f"remove the folder {self._folder} to train anew, or set training.export: last",
            )

    def _path(self, step: int) -> str:
        return os.path.join(self._folder, f"best-{step:08d}.npz")  # noqa: PTH118
