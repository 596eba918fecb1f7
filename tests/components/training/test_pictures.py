from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from components.classes import VOID_ID
from components.dataset.augment_options import AugmentOptions
from components.dataset.record_index import index_records
from components.dataset.statistics import split_statistics
from components.training.history import EpochRecord
from components.training.pictures import (
    augmented_sheet,
    confusion_sheet,
    prediction_samples,
    prediction_sheet,
    write_png,
)
from components.training.tensorboard import TensorBoardLog

STEP = 36
"""Pixels from one tile of a sheet to the next: patches of 32, gaps of 4."""


@pytest.fixture
def training(records_folder, record_format):
    files = [str(records_folder / "train-00000-of-00001")]
    return index_records(files), record_format, split_statistics(files, record_format)


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    return sheet[row * STEP : row * STEP + 32, column * STEP : column * STEP + 32]


def test_a_sheet_shows_patches_as_they_are_and_as_they_are_varied(training):
    sheet = augmented_sheet(*training, AugmentOptions(), 3)
    for row in range(6):
        image, label = tile(sheet, row, 0), tile(sheet, row, 1)
        # Class 1 is bright, class 0 dark: picture and label show the same border. The classes' colours are 0 and 1.
        bright = label[..., 0] == 1
        assert image[bright].mean() > image[~bright].mean() + 50
        shapes = {np.rot90(np.fliplr(image) if flip else image, turn).tobytes() for turn in range(4) for flip in (0, 1)}
        for draw in range(1, 4):
            assert tile(sheet, row, 2 * draw).tobytes() in shapes
    assert (sheet[32:36] == 255).all()
    same = augmented_sheet(*training, AugmentOptions(flips=False, quarter_turns=False), 3)
    for draw in range(1, 4):
        np.testing.assert_array_equal(tile(same, 2, 2 * draw), tile(same, 2, 0))
        np.testing.assert_array_equal(tile(same, 2, 2 * draw + 1), tile(same, 2, 1))


def test_predictions_stand_beside_the_truth(training):
    image, label = prediction_samples(*training[:2])
    assert (len(image), image.dtype, label.dtype) == (6, np.uint8, np.uint8)
    assert (label == VOID_ID).any()
    predicted = np.where(label == VOID_ID, 2, label).astype(np.uint8)
    sheet = prediction_sheet(image, label, predicted, *training[1:])
    assert sheet.shape == (6 * STEP - 4, 3 * STEP - 4, 3)
    known = label[1] != VOID_ID
    np.testing.assert_array_equal(tile(sheet, 1, 2)[known], tile(sheet, 1, 1)[known])
    assert (tile(sheet, 1, 2)[~known] == 2).all()


def test_a_confusion_matrix_is_dark_where_a_class_goes():
    sheet = confusion_sheet([[3, 1], [0, 0]])
    assert sheet.shape == (48, 48, 3)
    assert [int(sheet[r, c, 0]) for r in (0, 47) for c in (0, 47)] == [64, 191, 255, 255]


def test_a_png_is_there_and_back(tmp_path):
    sheet = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    write_png(sheet, str(tmp_path / "a.png"))
    np.testing.assert_array_equal(tf.io.decode_png((tmp_path / "a.png").read_bytes()), sheet)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_tensorboard_gets_scalars_classes_confusion_and_pictures(tmp_path):
    record = EpochRecord(1, 10, 0.5, 1e-3, 7.0, 1.0, 0.4, 0.3, 0.6, {"dark": 0.25, "absent": None}, [[3, 1], [0, 0]])
    log = TensorBoardLog(str(tmp_path), [record], ["dark", "absent"])
    log.picture("train/augmented", np.zeros((4, 4, 3), np.uint8), 0)
    log.close()
    (file,) = tmp_path.iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            found[value.tag, value.metadata.plugin_data.plugin_name] = (event.step, value.tensor)
    tags = {tag for tag, _ in found}
    assert tags >= {"train/loss", "train/learning_rate", "eval/mean_iou", "eval_iou/dark", "train/augmented"}
    assert "eval_iou/absent" not in tags
    assert ("eval/confusion", "images") in found
    step, tensor = found["eval/mean_iou", "scalars"]
    assert (step, float(tf.make_ndarray(tensor))) == (10, pytest.approx(0.3))
    table = tf.make_ndarray(found["eval/confusion_table", "text"][1]).item().decode()
    assert table.splitlines()[2] == "| dark | 3 | 1 |"


def test_without_a_folder_nothing_is_written():
    log = TensorBoardLog(None, [], ["a"])
    log.add(SimpleNamespace())
    log.picture("x", np.zeros((1, 1, 3), np.uint8), 0)
    log.close()
