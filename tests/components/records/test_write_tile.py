"""Cutting tiles into records: there and back, byte for byte, whatever the number of workers."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components.classes import UNKNOWN_ID, VOID_ID, ClassTable, LandClass, encode_colors
from components.errors import RasterError
from components.geo.bands import BandSet
from components.geo.labels import LabelDecoder
from components.geo.patches import PatchOptions
from components.records import write_tile
from components.records.patch_example import parse_image_and_label
from components.records.transforms import WriteRecords
from components.records.write_tile import IngestOptions, cut_strip, plan_strips, write_strip
from components.tile_source import TileSource
from tests.make_raster import gradient, write_raster

TABLE = ClassTable(classes=(LandClass(name="roof", color=(255, 0, 0)), LandClass(name="lawn", color=(0, 255, 0))))
BANDS = BandSet.of_numbers((1, 2, 3), ("infrared", "red", "green"))


def make_tile(folder: Path, height: int, width: int, split: str = "train", tile: str = "tile 1") -> TileSource:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 2, (height, width), np.uint8)
    image = write_raster(folder / f"{tile}.tif", gradient(height, width))
    label = write_raster(folder / f"{tile}_label.tif", encode_colors(ids, TABLE))
    return TileSource(tile=tile, image=str(image), label=str(label), split=split)


def options(size: int = 16, **patches: float) -> IngestOptions:
    return IngestOptions(table=TABLE, bands=BANDS, patches=PatchOptions(size=size, **patches))


def read_records(folder: Path, split: str) -> list[bytes]:
    files = sorted(str(path) for path in (folder / f"Split-{split}").iterdir())
    return list(tf.data.TFRecordDataset(files).as_numpy_iterator())


def test_records_parse_back_to_the_pixels_they_were_cut_from(tmp_path: Path) -> None:
    source = make_tile(tmp_path, 40, 50)
    (strip,) = plan_strips(source, options())
    counts = write_strip(strip, options(), LabelDecoder(TABLE), tmp_path / "out")
    records = read_records(tmp_path / "out", "train")
    assert counts.written == len(records) == 3 * 4  # rows 0, 16, 24; columns 0, 16, 32, 34
    image, label = parse_image_and_label(tf.constant(records), 16, 3, "uint8")
    patches = list(cut_strip(strip, options(), LabelDecoder(TABLE)))
    for i, patch in enumerate(patches):
        np.testing.assert_array_equal(
            image[i], gradient(40, 50)[patch.row : patch.row + 16, patch.col : patch.col + 16]
        )
        np.testing.assert_array_equal(label[i], patch.label)


def test_a_record_carries_its_place_and_its_statistics(tmp_path: Path) -> None:
    source = make_tile(tmp_path, 32, 32)
    (strip,) = plan_strips(source, options())
    write_strip(strip, options(), LabelDecoder(TABLE), tmp_path / "out")
    example = tf.train.Example.FromString(read_records(tmp_path / "out", "train")[3])
    feature = example.features.feature
    assert (feature["row"].int64_list.value[0], feature["col"].int64_list.value[0]) == (16, 16)
    assert feature["tile"].bytes_list.value[0] == b"tile 1"
    assert list(feature["transform"].float_list.value) == [0.5, 0, 500_008, 0, -0.5, 5_499_992]
    assert b"25832" in feature["crs"].bytes_list.value[0]
    label = np.frombuffer(feature["label"].bytes_list.value[0], np.uint8)
    assert feature["class_fraction/lawn"].float_list.value[0] == pytest.approx((label == 1).mean())
    red = np.frombuffer(feature["image"].bytes_list.value[0], np.uint8).reshape(16, 16, 3)[..., 1]
    assert feature["band_mean/red"].float_list.value[0] == pytest.approx(red.mean())
    assert feature["band_stddev/red"].float_list.value[0] == pytest.approx(red.std(), rel=1e-4)


def test_the_same_tiles_give_the_same_bytes_with_one_worker_and_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_tile, "STRIP_PIXELS", 16 * 50)  # one row of patches a strip: several strips a tile
    sources = [make_tile(tmp_path, 64, 50, tile=f"t{i}") for i in range(3)]
    written = {}
    for mode in ("in_memory", "multi_threading"):
        arguments = ["--runner=DirectRunner", f"--direct_running_mode={mode}", "--direct_num_workers=2"]
        with beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
            _ = pipeline | beam.Create(sources) | WriteRecords(options(), str(tmp_path / mode))
        files = sorted((tmp_path / mode).rglob("data_*"))
        written[mode] = [(file.name, file.read_bytes()) for file in files]
    assert written["in_memory"] == written["multi_threading"]
    assert len(written["in_memory"]) == 3 * 4


def test_a_strip_that_fails_leaves_no_file(tmp_path: Path) -> None:
    source = make_tile(tmp_path, 64, 64)
    whole = Path(source.image).read_bytes()
    Path(source.image).write_bytes(whole[: len(whole) // 2])
    (strip,) = plan_strips(source, options())
    with pytest.raises(RasterError, match=r"tile 1\.tif cannot be read"):
        write_strip(strip, options(), LabelDecoder(TABLE), tmp_path / "out")
    assert list((tmp_path / "out" / "Split-train").iterdir()) == []


def test_patches_without_truth_are_left_out_of_train_and_kept_in_eval(tmp_path: Path) -> None:
    written = {}
    for split in ("train", "eval"):
        source = make_tile(tmp_path / split, 16, 32, split)
        void_left = np.zeros((16, 32, 3), np.uint8)
        void_left[:, 16:] = (255, 0, 0)
        write_raster(Path(source.label), void_left)
        (strip,) = plan_strips(source, options())
        written[split] = write_strip(strip, options(), LabelDecoder(TABLE), tmp_path / "out")
    assert (written["train"].written, written["train"].without_truth) == (1, 1)
    assert (written["eval"].written, written["eval"].without_truth) == (2, 0)


def test_a_tile_smaller_than_a_patch_is_padded_with_void(tmp_path: Path) -> None:
    source = make_tile(tmp_path, 10, 12)
    (strip,) = plan_strips(source, options())
    (patch,) = cut_strip(strip, options(), LabelDecoder(TABLE))
    assert patch.image.shape == (16, 16, 3)
    assert (patch.label[10:] == VOID_ID).all()
    assert not patch.valid[:, 12:].any()
    assert patch.valid[:10, :12].all()


def test_unknown_colours_become_void_never_a_class(tmp_path: Path) -> None:
    source = make_tile(tmp_path, 16, 16)
    write_raster(Path(source.label), np.full((16, 16, 3), 77, np.uint8))
    (strip,) = plan_strips(source, options())
    (patch,) = cut_strip(strip, options(), LabelDecoder(TABLE))
    assert (patch.label == VOID_ID).all()
    assert UNKNOWN_ID not in patch.label
