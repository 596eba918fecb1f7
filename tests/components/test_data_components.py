"""The data components, each by its own executor function: LabelValidator, TileExampleGen."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pytest
import tensorflow as tf
from tfx import v1 as tfx
from tfx.types import artifact_utils

from components.classes import ClassTable
from components.errors import DataError
from components.geo.bands import BandSet
from components.geo.patches import PatchOptions
from components.label_validation.component import LabelReport
from components.records.component import TileExampleGen
from components.records.write_tile import IngestOptions
from components.tile_source import TileList

BANDS = BandSet.of_numbers((1, 2, 3), ("red", "green", "blue"))
MakeTiles = Callable[..., TileList]


def artifact(kind: type, uri: Path) -> object:
    made = kind()
    made.uri = str(uri)
    return made


def ingest(tiles: TileList, table: ClassTable, folder: Path) -> object:
    examples = artifact(tfx.types.standard_artifacts.Examples, folder / "examples")
    TileExampleGen.test_call(
        examples=examples,
        label_report=artifact(LabelReport, folder / "report"),
        tiles=tiles.model_dump_json(),
        fingerprint="f",
        options=IngestOptions(table=table, bands=BANDS, patches=PatchOptions(size=32)).model_dump_json(),
        beam_pipeline=beam.Pipeline(),
    )
    return examples


def test_tile_example_gen_fills_a_standard_examples_artifact(
    make_tiles: MakeTiles, table: ClassTable, tmp_path: Path
) -> None:
    examples = ingest(make_tiles(), table, tmp_path)
    assert artifact_utils.decode_split_names(examples.split_names) == ["train", "eval"]  # type: ignore[attr-defined]
    for split in ("train", "eval"):
        files = [str(file) for file in (tmp_path / "examples" / f"Split-{split}").iterdir()]
        assert sum(1 for _ in tf.data.TFRecordDataset(files)) == 4


def test_tile_example_gen_names_the_tile_that_cannot_be_read(
    make_tiles: MakeTiles, table: ClassTable, tmp_path: Path
) -> None:
    tiles = make_tiles()
    image = Path(tiles.tiles[0].image)
    image.write_bytes(image.read_bytes()[:6000])
    with pytest.raises(DataError, match=r"tile train 1: .*train\.tif cannot be read"):
        ingest(tiles, table, tmp_path)


def test_a_disk_that_fills_up_in_the_middle_shows_no_half_split_and_the_next_try_completes(
    make_tiles: MakeTiles, table: ClassTable, small_disk: Path
) -> None:
    tiles = make_tiles(side=640)  # 400 records of 5 kB for each of two splits: one fits on the disk, two do not
    with pytest.raises(DataError, match=r"cannot be written(.|\n)*make room"):
        ingest(tiles, table, small_disk)
    visible = [path for path in (small_disk / "examples").glob("Split-*/*") if not path.name.startswith(".")]
    for path in visible:  # a file that is there is whole
        assert len(list(tf.data.TFRecordDataset(str(path)))) == 400
    assert len(visible) < 2
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    ingest(tiles, table, small_disk)
    for split in ("train", "eval"):
        (file,) = (small_disk / "examples" / f"Split-{split}").iterdir()
        assert len(list(tf.data.TFRecordDataset(str(file)))) == 400
