"""Patches to look at: the worst, the middling and the best of the evaluated split, each as layers of pictures."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.contract import CLASS_IDS, EXAMPLES, EXAMPLES_SIGNATURE, IMAGE, SCORES, SERVING_SIGNATURE
from components.dataset.record_index import RecordIndex, index_records, record_files
from components.records.patch_example import COL, ROW, TILE, parse_image_and_label
from components.records.record_format import RecordFormat
from tfx_pipeline.report import pictures
from tfx_pipeline.report.layers import Ground, Layers, layers_of, within_budget

SHOWN_OF_EACH = 3
MOST_PREDICTED = 96
"""Patches that are predicted to choose from: evenly spread over the split's records."""
PREDICTION_SECONDS = 8.0
"""No further batch is predicted after this time: a large network on a CPU shows its best of fewer patches."""
MOST_SIDE_PX = 256
"""Larger patches are shrunk to this."""
BUDGET_BYTES = 1_800_000
"""Of all patches together; what is too heavy is shrunk further."""

_BATCH = 8
_LEAST_KNOWN_SHARE = 0.1
"""Patches with less truth say nothing about the model; they are shown only where there is no other."""


@dataclass(frozen=True)
class ScoredPatch:
    """A record by its number, its predicted class ids `(size, size)`, and its shares of wrong and of known pixels."""

    number: int
    predicted: NDArray[np.uint8]
    wrong_share: float
    known_share: float


@dataclass(frozen=True)
class Example:
    """One patch on the page.

    Attributes:
        group: `worst`, `middle` or `best`.
        tile: The tile's id.
        row, col: Upper left corner in the tile, in tile pixels.
        side: Tile pixels a side.
        wrong_share: Share of wrong pixels among those with truth, 0 to 1.
        layers: What there is to look at.
    """

    group: str
    tile: str
    row: int
    col: int
    side: int
    wrong_share: float
    layers: Layers


@dataclass(frozen=True)
class Examples:
    """The chosen patches, how many were predicted to choose from, and how many the split has."""

    shown: tuple[Example, ...]
    predicted: int
    records: int
    band_names: tuple[str, ...]


def find_examples(split_folder: str, saved_model: Path, record_format: RecordFormat) -> Examples | None:
    """Predicts patches of a split and shows some of them.

    Args:
        split_folder: With the split's TFRecord files, on any file system.
        saved_model: As the trainer exported it.
        record_format: Of the records.

    Returns:
        None where there is no record or no model.
    """
    files = [path for path in record_files([f"{split_folder}/*"]) if not path.rpartition("/")[2].startswith(".")]
    if not files or not (saved_model / "saved_model.pb").is_file():
        return None
    index = index_records(files)
    if len(index) == 0:
        return None
    model = tf.saved_model.load(str(saved_model))
    scored = list(_predict(index, model, record_format))
    chosen = choose(scored)
    records = index.read([patch.number for _, patch in chosen])
    images, labels = _pixels(records, record_format)
    band_numbers = pictures.display_bands(len(record_format.bands))
    # Padding and nodata are written as zeros in all bands; they would darken the stretch's lower end.
    stretch = pictures.find_stretch(images, images.any(axis=-1))
    confidences = _confidences(model, images)
    grounds = [
        Ground(pictures.stretched(image, pictures.adapted(stretch, image)), patch.predicted, label, confidence)
        for (_, patch), image, label, confidence in zip(chosen, images, labels, confidences, strict=True)
    ]
    layers = within_budget(
        BUDGET_BYTES,
        MOST_SIDE_PX,
        lambda side: [layers_of(ground, record_format.table, side) for ground in grounds],
        lambda of_one: of_one.weight,
    )
    shown = tuple(
        _example(group, patch, record, of_one, record_format.patch_size * record_format.downsample)
        for (group, patch), record, of_one in zip(chosen, records, layers, strict=True)
    )
    return Examples(shown, len(scored), len(index), tuple(record_format.bands[i] for i in band_numbers))


def choose(scored: Sequence[ScoredPatch], of_each: int = SHOWN_OF_EACH) -> list[tuple[str, ScoredPatch]]:
    """The worst, the middle and the best patches with their group's name, the worst first; none stands twice."""
    telling = [patch for patch in scored if patch.known_share >= _LEAST_KNOWN_SHARE] or list(scored)
    ordered = sorted(telling, key=lambda patch: (-patch.wrong_share, patch.number))
    if len(ordered) <= 3 * of_each:
        third = -(-len(ordered) // 3)
        names = [name for name in ("worst", "middle", "best") for _ in range(third)]
        return list(zip(names, ordered, strict=False))
    middle = (len(ordered) - of_each) // 2
    parts = {"worst": ordered[:of_each], "middle": ordered[middle : middle + of_each], "best": ordered[-of_each:]}
    return [(name, patch) for name, part in parts.items() for patch in part]


def spread(records: int, most: int) -> list[int]:
    """At most `most` record numbers, evenly spread, in an order whose every beginning is spread over the whole."""
    numbers = np.unique(np.linspace(0, records - 1, min(records, most)).round().astype(int)).tolist()
    rounds = max(1, len(numbers) // _BATCH)
    return [number for start in range(rounds) for number in numbers[start::rounds]]


def _predict(index: RecordIndex, model: Any, record_format: RecordFormat) -> Iterator[ScoredPatch]:
    signature = model.signatures[EXAMPLES_SIGNATURE]
    numbers = spread(len(index), MOST_PREDICTED)
    started = time.monotonic()
    for first in range(0, len(numbers), _BATCH):
        if first and time.monotonic() - started > PREDICTION_SECONDS:
            return
        batch = numbers[first : first + _BATCH]
        records = index.read(batch)
        predicted = signature(**{EXAMPLES: tf.constant(records)})[CLASS_IDS].numpy()
        _, labels = _pixels(records, record_format)
        for number, class_ids, label in zip(batch, predicted, labels, strict=True):
            known = label < len(record_format.table)
            count = np.count_nonzero(known)
            wrong = np.count_nonzero(known & (class_ids != label))
            yield ScoredPatch(number, class_ids, wrong / count if count else 0.0, count / label.size)


def _pixels(records: Sequence[bytes], record_format: RecordFormat) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    images, labels = parse_image_and_label(
        tf.constant(list(records)), record_format.patch_size, len(record_format.bands), record_format.dtype
    )
    return images.numpy(), labels.numpy()


def _confidences(model: Any, images: NDArray[Any]) -> list[NDArray[np.uint8]] | list[None]:
    """The predicted class's score in percent, `(size, size)` a patch; none from a model without scores."""
    if SERVING_SIGNATURE not in model.signatures:
        return [None] * len(images)
    scores = model.signatures[SERVING_SIGNATURE](**{IMAGE: tf.constant(images)})[SCORES].numpy()
    return list(np.rint(scores.max(axis=-1) * np.float32(100 / 255)).astype(np.uint8))


def _example(group: str, patch: ScoredPatch, record: bytes, layers: Layers, side: int) -> Example:
    feature = tf.train.Example.FromString(record).features.feature
    return Example(
        group=group,
        tile=feature[TILE].bytes_list.value[0].decode(),
        row=feature[ROW].int64_list.value[0],
        col=feature[COL].int64_list.value[0],
        side=side,
        wrong_share=patch.wrong_share,
        layers=layers,
    )
