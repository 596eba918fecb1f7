"""Patches to look at: the worst, the middling and the best of the evaluated split, each as four pictures."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.classes import ClassTable
from components.contract import CLASS_IDS, EXAMPLES, EXAMPLES_SIGNATURE
from components.dataset.record_index import RecordIndex, index_records, record_files
from components.records.patch_example import COL, ROW, TILE, parse_image_and_label
from components.records.record_format import RecordFormat
from tfx_pipeline.report import pictures

SHOWN_OF_EACH = 3
MOST_PREDICTED = 96
"""Patches that are predicted to choose from: evenly spread over the split's records."""
PREDICTION_SECONDS = 8.0
"""No further batch is predicted after this time: a large network on a CPU shows its best of fewer patches."""
MOST_SIDE_PX = 256
"""Larger patches are shrunk to this: nine of them must not weigh more than the rest of the page."""

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
        pictures: Name and `data:` address, in the order to show them.
    """

    group: str
    tile: str
    row: int
    col: int
    side: int
    wrong_share: float
    pictures: tuple[tuple[str, str], ...]


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
    scored = list(_predict(index, saved_model, record_format))
    chosen = choose(scored)
    images, labels = _pixels(index.read([patch.number for _, patch in chosen]), record_format)
    band_numbers = pictures.display_bands(len(record_format.bands))
    # Padding and nodata are written as zeros in all bands; they would darken the stretch's lower end.
    stretch = pictures.find_stretch(images, images.any(axis=-1))
    shown = tuple(
        _example(group, patch, index, image, label, record_format, stretch)
        for (group, patch), image, label in zip(chosen, images, labels, strict=True)
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


def _predict(index: RecordIndex, saved_model: Path, record_format: RecordFormat) -> Iterator[ScoredPatch]:
    loaded = tf.saved_model.load(str(saved_model))
    signature = loaded.signatures[EXAMPLES_SIGNATURE]
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


def _example(
    group: str,
    patch: ScoredPatch,
    index: RecordIndex,
    image: NDArray[Any],
    label: NDArray[np.uint8],
    record_format: RecordFormat,
    stretch: pictures.Stretch,
) -> Example:
    feature = tf.train.Example.FromString(index.read([patch.number])[0]).features.feature
    table = record_format.table
    truth, predicted = (pictures.shrunk(ids, MOST_SIDE_PX) for ids in (label, patch.predicted))
    small = pictures.shrunk_image(image, MOST_SIDE_PX)
    photo = pictures.stretched(small, pictures.adapted(stretch, small))
    photo = photo[: truth.shape[0], : truth.shape[1]]
    return Example(
        group=group,
        tile=feature[TILE].bytes_list.value[0].decode(),
        row=feature[ROW].int64_list.value[0],
        col=feature[COL].int64_list.value[0],
        side=record_format.patch_size * record_format.downsample,
        wrong_share=patch.wrong_share,
        pictures=_four_pictures(photo, truth[: photo.shape[0], : photo.shape[1]], predicted, table),
    )


def _four_pictures(
    photo: NDArray[np.uint8], truth: NDArray[np.uint8], predicted: NDArray[np.uint8], table: ClassTable
) -> tuple[tuple[str, str], ...]:
    predicted = predicted[: truth.shape[0], : truth.shape[1]]
    return (
        ("image", pictures.jpeg_uri(photo)),
        ("truth", pictures.png_uri(pictures.class_picture(truth, table))),
        ("prediction", pictures.png_uri(pictures.class_picture(predicted, table))),
        ("errors", pictures.png_uri(pictures.error_picture(photo, truth, predicted, len(table)))),
    )
