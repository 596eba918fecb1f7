"""Pictures of patches, for TensorBoard and for the report: sheets of tiles in rows, `(height, width, 3)` uint8."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.classes import encode_colors
from components.dataset.augment_options import AugmentOptions
from components.dataset.patch_dataset import evaluation_batches, training_stages
from components.dataset.record_index import RecordIndex
from components.dataset.statistics import SplitStatistics
from components.records.record_format import RecordFormat

AUGMENTED_FILE = "augmented.png"

Sheet = NDArray[np.uint8]

_ROWS = 6
_DRAWS = 3
_GAP_PX = 4
_DEVIATIONS = 2.5
_CELL_PX = 24
_WHITE = 255


def augmented_sheet(
    index: RecordIndex,
    record_format: RecordFormat,
    statistics: SplitStatistics,
    augmentation: AugmentOptions,
    seed: int,
) -> Sheet:
    """Patches as they are recorded and as a training varies them.

    One row a patch: the image and its label, then three times image and label as they might be trained on. Void is
    black.

    Args:
        index: The training records.
        record_format: Theirs.
        statistics: Theirs.
        augmentation: How patches are varied.
        seed: Of the training.
    """
    stages = training_stages(
        index, record_format, statistics, augmentation, batch_size=min(_ROWS, len(index)), seed=seed
    )
    start = tf.constant(0, tf.int64)
    image, label = stages["parse"](start, *stages["read"](start))
    columns = [*_image_and_label(image, label, record_format, statistics)]
    for draw in range(1, 1 + _DRAWS):
        step = tf.constant(draw, tf.int64)
        varied: tuple[tf.Tensor, ...] = (image, label)
        for name in ("turn", "warp", "relight", "occlude"):
            varied = stages[name](step, *varied)
        columns += _image_and_label(varied[0], varied[1], record_format, statistics)
    return _sheet(columns)


def prediction_samples(index: RecordIndex, record_format: RecordFormat) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Some patches from all over a split: images `(n, size, size, bands)` and labels `(n, size, size)`."""
    numbers = np.unique(np.linspace(0, len(index) - 1, _ROWS).round().astype(np.int64))
    few = RecordIndex(index.files, index.file_of_record[numbers], index.offset[numbers], index.length[numbers])
    image, label = next(iter(evaluation_batches(few, record_format, len(numbers))))
    return image.numpy(), label.numpy()


def prediction_sheet(
    image: NDArray[Any],
    label: NDArray[np.uint8],
    class_ids: NDArray[np.uint8],
    record_format: RecordFormat,
    statistics: SplitStatistics,
) -> Sheet:
    """One row a patch: image, truth, prediction."""
    columns = [
        *_image_and_label(image, label, record_format, statistics),
        encode_colors(class_ids, record_format.table),
    ]
    return _sheet(columns)


def confusion_sheet(confusion: Sequence[Sequence[int]]) -> Sheet:
    """A confusion matrix, rows truth, columns prediction: the darker a cell, the greater its share of its row."""
    counts = np.asarray(confusion, np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    cells = (_WHITE * (1.0 - share)).round().astype(np.uint8)
    return np.repeat(np.kron(cells, np.ones((_CELL_PX, _CELL_PX), np.uint8))[..., None], 3, axis=2)


def write_png(sheet: Sheet, path: str) -> None:
    """Writes a sheet, on any file system that `tf.io.gfile` knows; whole or not at all."""
    with tf.io.gfile.GFile(f"{path}.part", "wb") as target:
        target.write(tf.io.encode_png(sheet).numpy())
    tf.io.gfile.rename(f"{path}.part", path, overwrite=True)


def _image_and_label(
    image: Any, label: Any, record_format: RecordFormat, statistics: SplitStatistics
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both as colours, `(n, size, size, 3)` uint8; bands stretched to their mean +- 2.5 standard deviations."""
    names = record_format.bands
    chosen = [names.index(name) for name in ("red", "green", "blue") if name in names]
    if len(chosen) < 3:
        chosen = [0, 1, 2] if len(names) >= 3 else [0, 0, 0]
    mean, stddev = statistics.band_mean[chosen], np.maximum(statistics.band_stddev[chosen], 1e-9)
    # What is no number would have no colour either.
    pixels = np.nan_to_num(np.asarray(image)[..., chosen].astype(np.float64))
    share = 0.5 + (pixels - mean) / (2 * _DEVIATIONS * stddev)
    colors = (np.clip(share, 0.0, 1.0) * 255).round().astype(np.uint8)
    return colors, encode_colors(np.asarray(label), record_format.table)


def _sheet(columns: Sequence[NDArray[np.uint8]]) -> Sheet:
    """Columns of pictures `(n, size, size, 3)` as one picture with white gaps."""
    padding = ((0, 0), (0, _GAP_PX), (0, _GAP_PX), (0, 0))
    padded = [np.pad(column, padding, constant_values=_WHITE) for column in columns]
    rows = np.concatenate(padded, axis=2)
    sheet: Sheet = rows.reshape(-1, *rows.shape[2:])[:-_GAP_PX, :-_GAP_PX]
    return sheet
