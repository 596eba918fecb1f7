"""The state of a training in one file, written so that a kill at any moment leaves the old or the new one whole."""

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.errors import TrainingError

LAST = "last.npz"
"""Name of the checkpoint in its folder."""

PART = ".part"
"""Ends the name of a file that is being written; one that a kill leaves behind means nothing."""

_PROGRESS = "progress"


def save_checkpoint(path: str, variables: Sequence[keras.Variable], progress: dict[str, Any]) -> None:
    """Writes all variables and the progress.

    Args:
        path: The file, on any file system that `tf.io.gfile` knows.
        variables: Of network and optimiser, in a fixed order.
        progress: JSON-like: the step, the history and what else a resumed run needs.

    Raises:
        TrainingError: If it cannot be written, on a full disk say; what was there before is there still.
    """
    arrays = {f"v{i:05d}": np.asarray(keras.ops.convert_to_numpy(v)) for i, v in enumerate(variables)}
    arrays[_PROGRESS] = np.frombuffer(json.dumps(progress).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    # A rename within a folder replaces the old file in one step; object stores make a whole object visible at once.
    part = f"{path}{PART}"
    try:
        with tf.io.gfile.GFile(part, "wb") as target:
            target.write(content.getvalue())
        tf.io.gfile.rename(part, path, overwrite=True)
    except tf.errors.OpError as error:
        # Half a checkpoint is of no use, and its space may be what is missing.
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(part)
        raise TrainingError(
            f"the checkpoint {path} cannot be written: {error.message}",
            f"room for {len(content.getvalue()) / 1e6:.0f} MB, beside the checkpoint before it, in a folder that can "
            "be written",
            "make room, then start the run again: it goes on from the checkpoint before this one",
        ) from error


def load_checkpoint(path: str, variables: Sequence[keras.Variable]) -> dict[str, Any] | None:
    """Sets all variables to what `save_checkpoint` wrote.

    Returns:
        The progress, or None if there is no checkpoint (the variables are then as they were).

    Raises:
        TrainingError: If the file is damaged, or of another network.
    """
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path, "rb") as source:
            arrays = np.load(io.BytesIO(source.read()))
        values = [arrays[f"v{i:05d}"] for i in range(len(variables))]
        progress: dict[str, Any] = json.loads(arrays[_PROGRESS].tobytes())
    except Exception as error:  # zipfile, zlib, NumPy and JSON each have errors of their own for damaged bytes
        raise _unusable(path, str(error)) from error
    if len(arrays.files) != len(variables) + 1:
        raise _unusable(path, f"it holds {len(arrays.files) - 1} variables, the training has {len(variables)}")
    for variable, value in zip(variables, values, strict=True):
        if tuple(variable.shape) != value.shape:
            raise _unusable(path, f"{variable.path} is {tuple(variable.shape)}, the checkpoint has {value.shape}")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return progress


def _unusable(path: str, reason: str) -> TrainingError:
    return TrainingError(
        f"the checkpoint {path} cannot be used: {reason}",
        "a checkpoint of this very training",
        "delete the file to train from the start",
    )
