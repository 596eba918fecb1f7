"""What is measured on the eval split, against NumPy's own computation of it from the network's logits."""

import io
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.classes import ClassTable
from components.dataset.record_index import index_records
from components.records.patch_example import Patch
from components.records.record_format import RecordFormat
from components.training.evaluator import evaluator
from components.training.options import NetworkOptions, TrainingOptions
from components.training.train import train

PATCHES = range(10, 15)
"""Those of the eval split: 5."""


def computed(model: keras.Model, patches: list[Patch], table: ClassTable) -> dict[str, Any]:
    """The `eval_...` figures, patch by patch and pixel by pixel."""
    confusion = np.zeros((len(table), len(table)), int)
    losses = []
    for patch in patches:
        logits = model(patch.image[None]).numpy()[0].astype(np.float64)
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        for row, col in np.ndindex(patch.label.shape):
            truth = patch.label[row, col]
            if truth < len(table) and row >= patch.fresh_row and col >= patch.fresh_col:
                confusion[truth, logits[row, col].argmax()] += 1
                losses.append(-np.log(shares[row, col, truth]))
    right = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    ious = [int(right[i]) / int(union[i]) if union[i] else None for i in range(len(table))]
    return {
        "eval_loss": pytest.approx(np.mean(losses), rel=1e-5),
        "eval_mean_iou": pytest.approx(np.mean([ious[i] for i in table.scored_ids if ious[i] is not None])),
        "eval_pixel_accuracy": pytest.approx(right.sum() / confusion.sum()),
        "eval_iou": {name: pytest.approx(iou) for name, iou in zip(table.names, ious, strict=True)},
        "eval_confusion": confusion.tolist(),
    }


@pytest.fixture(scope="module")
def unscored_format(record_format: RecordFormat) -> RecordFormat:
    """The records' format with `bright` left out of the mean."""
    classes = tuple(c.model_copy(update={"scored": c.name != "bright"}) for c in record_format.table.classes)
    return record_format.model_copy(update={"table": ClassTable(classes=classes)})


# The last batch of the 5 patches is full, or has 1 of 4, or 2 of 3.
@pytest.mark.parametrize("batch_size", [5, 4, 3])
def test_an_untrained_network_is_measured_without_void_and_stale_pixels(
    records_folder, unscored_format, make_patch, build_small_network, batch_size: int
):
    # Centred on the pixels, so that every class is predicted, and no two cells of the confusion are alike.
    model = build_small_network(None, unscored_format, [140.0, 148.0], [60.0, 12.0], seed=2)
    index = index_records([str(records_folder / "eval-00000-of-00001")])
    evaluate = evaluator(model, index, unscored_format, batch_size, tf.distribute.get_strategy())
    expected = computed(model, [make_patch(number) for number in PATCHES], unscored_format.table)
    confusion = np.array(expected["eval_confusion"])
    assert len(set(confusion[:2].ravel())) == 6
    assert evaluate() == expected
    # Nothing of the first time is counted again.
    assert evaluate() == expected


def test_without_records_nothing_is_measured(unscored_format, build_small_network):
    model = build_small_network(None, unscored_format, [140.0, 148.0], [60.0, 12.0])
    assert evaluator(model, index_records([]), unscored_format, 4, tf.distribute.get_strategy())() == {}


@pytest.mark.usefixtures("small_network")
def test_a_trainings_last_epoch_has_the_figures_of_what_is_exported(
    records_folder, record_format, make_patch: Callable[[int], Patch], tmp_path
):
    files = ([str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval"))
    options = TrainingOptions(steps=4, batch_size=4, learning_rate=3e-3, steps_per_epoch=2, ema=0.5, seed=4)
    trained = train(*files, record_format, NetworkOptions(), options, str(tmp_path), stream=io.StringIO())
    expected = computed(trained.model, [make_patch(number) for number in PATCHES], record_format.table)
    record = trained.history[-1]
    assert {name: getattr(record, name) for name in expected} == expected
