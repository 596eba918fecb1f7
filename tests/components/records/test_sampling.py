"""Which patches become records: edges, random crops, rare classes, parts of a tile, the eroded truth."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from components.geo.bands import BandSet
from components.geo.labels import LabelDecoder
from components.geo.patches import PatchOptions
from components.geo.window import Window
from components.records import write_tile
from components.records.patch_example import ERODED_LABEL, LABEL, Patch
from components.records.write_tile import IngestOptions, cut_strip, plan_strips, write_strip
from components.tile_source import TileSource
from tests.make_raster import gradient, write_raster

TABLE = ClassTable(classes=(LandClass(name="lawn", color=(0, 255, 0)), LandClass(name="car", color=(255, 255, 0))))
BANDS = BandSet.of_numbers((1, 2, 3))


def make_tile(folder: Path, ids: np.ndarray, **fields: object) -> TileSource:
    image = write_raster(folder / "image.tif", gradient(*ids.shape))
    label = write_raster(folder / "label.tif", encode_colors(ids, TABLE))
    given = {"tile": "a", "image": str(image), "label": str(label), "split": "train", **fields}
    return TileSource.model_validate(given)


def cut(source: TileSource, **patches: object) -> list[Patch]:
    options = IngestOptions(table=TABLE, bands=BANDS, patches=PatchOptions.model_validate({"size": 16, **patches}))
    decoder = LabelDecoder(TABLE)
    return [patch for strip in plan_strips(source, options) for patch in cut_strip(strip, options, decoder)]


def test_reflected_edges_mirror_the_tile_and_are_learnt_from_but_never_counted(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 2, (20, 20), np.uint8)
    train = cut(make_tile(tmp_path, ids), edges="reflect")
    evaluated = cut(make_tile(tmp_path, ids, split="eval"), edges="reflect")
    assert [(p.row, p.col) for p in train] == [(0, 0), (0, 16), (16, 0), (16, 16)]
    # Beyond column 19 come columns 18, 17, ...: the numpy rule of the same name, on the tile as a whole.
    mirrored = np.pad(gradient(20, 20), [(0, 12), (0, 12), (0, 0)], mode="reflect")[16:32, 16:32]
    np.testing.assert_array_equal(train[3].image[:4, :7], mirrored[:4, :7])
    assert train[3].valid.all()
    assert VOID_ID not in train[3].label
    assert (evaluated[3].label[4:] == VOID_ID).all()
    assert (evaluated[3].label[:, 4:] == VOID_ID).all()
    np.testing.assert_array_equal(evaluated[3].label[:4, :4], ids[16:, 16:])


def test_random_crops_lie_inside_stay_put_and_differ_from_tile_to_tile(tmp_path: Path) -> None:
    source = make_tile(tmp_path, np.zeros((60, 90), np.uint8))
    crops = cut(source, random_crops=40, seed=3)
    places = [(p.row, p.col) for p in crops]
    assert len(places) == 40
    assert all(0 <= row <= 60 - 16 and 0 <= col <= 90 - 16 for row, col in places)
    assert [(p.row, p.col) for p in cut(source, random_crops=40, seed=3)] == places
    assert [(p.row, p.col) for p in cut(source, random_crops=40, seed=4)] != places
    other = source.model_copy(update={"tile": "b"})
    assert [(p.row, p.col) for p in cut(other, random_crops=40, seed=3)] != places
    for patch in crops:
        np.testing.assert_array_equal(
            patch.image, gradient(60, 90)[patch.row : patch.row + 16, patch.col : patch.col + 16]
        )


def test_random_crops_are_the_same_however_the_tile_is_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_tile(tmp_path, np.zeros((60, 90), np.uint8))
    whole = [(p.row, p.col) for p in cut(source, random_crops=30)]
    monkeypatch.setattr(write_tile, "STRIP_PIXELS", 16 * 16 * 4)
    assert [(p.row, p.col) for p in cut(source, random_crops=30)] == whole


def test_eval_takes_the_grid_whatever_training_takes(tmp_path: Path) -> None:
    source = make_tile(tmp_path, np.zeros((32, 32), np.uint8), split="eval")
    assert [(p.row, p.col) for p in cut(source, random_crops=7)] == [(0, 0), (0, 16), (16, 0), (16, 16)]


def test_training_patches_without_the_rare_class_are_left_out_and_counted(tmp_path: Path) -> None:
    ids = np.zeros((16, 48), np.uint8)
    ids[:2, :16] = 1  # 2 of 16 rows of the first patch: a share of 1/8
    ids[0, 16:32] = 1  # 1/16 of the second
    patches = PatchOptions(size=16, min_class_share={"car": 1 / 8})
    options = IngestOptions(table=TABLE, bands=BANDS, patches=patches)
    counts = {}
    for split in ("train", "eval"):
        source = make_tile(tmp_path, ids, split=split)
        (strip,) = plan_strips(source, options)
        counts[split] = write_strip(strip, options, LabelDecoder(TABLE), str(tmp_path / "out"))
    assert (counts["train"].written, counts["train"].without_class) == (1, 2)
    assert (counts["eval"].written, counts["eval"].without_class) == (3, 0)


def test_a_part_of_a_tile_is_cut_as_if_it_were_a_tile_and_keeps_its_place(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 2, (64, 64), np.uint8)
    area = Window(10, 20, 32, 40)
    patches = cut(make_tile(tmp_path, ids, area=area))
    assert [(p.row, p.col) for p in patches] == [(r, c) for r in (10, 26) for c in (20, 36, 44)]
    for patch in patches:
        rows, cols = slice(patch.row, patch.row + 16), slice(patch.col, patch.col + 16)
        np.testing.assert_array_equal(patch.image, gradient(64, 64)[rows, cols])
        np.testing.assert_array_equal(patch.label, ids[rows, cols])
        assert patch.georeference.transform @ (0, 0) == (500_000 + patch.col * 0.5, 5_500_000 - patch.row * 0.5)


def test_the_eroded_truth_stands_beside_the_full_one(tmp_path: Path) -> None:
    ids = np.zeros((16, 16), np.uint8)
    ids[:, 8:] = 1
    boundary = np.full((16, 16, 3), 255, np.uint8)
    boundary[:, 7:9] = 0  # ISPRS noBoundary: black along the borders of objects
    ignore = write_raster(tmp_path / "ignore.tif", boundary)
    source = make_tile(tmp_path, ids, ignore=str(ignore))
    options = IngestOptions(table=TABLE, bands=BANDS, patches=PatchOptions(size=16))
    (strip,) = plan_strips(source, options)
    write_strip(strip, options, LabelDecoder(TABLE), str(tmp_path / "out"))
    (file,) = (tmp_path / "out" / "Split-train").iterdir()
    (record,) = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    feature = tf.train.Example.FromString(record).features.feature
    full, eroded = (
        np.frombuffer(feature[key].bytes_list.value[0], np.uint8).reshape(16, 16) for key in (LABEL, ERODED_LABEL)
    )
    np.testing.assert_array_equal(full, ids)
    assert (eroded[:, 7:9] == VOID_ID).all()
    np.testing.assert_array_equal(np.delete(eroded, [7, 8], axis=1), np.delete(ids, [7, 8], axis=1))


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValidationError, match="above 0 and at most 1"):
        PatchOptions(min_class_share={"car": share})
