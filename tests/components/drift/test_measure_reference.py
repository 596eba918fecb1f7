"""The reference statistics of a training split are those of its pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from affine import Affine

from components.classes import VOID_ID, ClassTable, LandClass
from components.contract import CONTRACT_FILE, ModelContract
from components.drift.divergence import grouped
from components.drift.measure_reference import COUNTS_FILE, measure_reference, write_reference
from components.drift.reference import EXTRA, REFERENCE_FILE, read_reference
from components.drift.value_bins import lower_value
from components.errors import DataError, MissingFileError
from components.evaluation.calibration import PIXELS
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.evaluation.counts_file import to_npz
from components.geo.raster import Georeference
from components.records.patch_example import Patch, encode_patch

SIZE = 8
CONTRACT = ModelContract(
    patch_size=SIZE,
    bands=("red", "nir"),
    dtype="uint8",
    table=ClassTable(classes=tuple(LandClass(name=f"c{i}", color=(i, i, i)) for i in range(3))),
)
EVALUATION = {
    "format": "eoseg-map-evaluation",
    "tiles": [{"mapped_pixels": [1, 2, 3]}, {"mapped_pixels": [10, 20, 30]}],
}


def counts() -> EvaluationCounts:
    """Two blocks of one tile and one of another, in three bins of confidence."""
    options = CountingOptions(bins=3, block_px=64)
    arrays = {
        name: np.zeros((3, *array.shape[1:]), np.int64)
        for name, array in EvaluationCounts.none(3, options).arrays.items()
    }
    arrays["reliability"][:, :, PIXELS] = [[0, 1, 2], [0, 3, 0], [0, 0, 4]]
    return EvaluationCounts(3, options, (Unit("a", 0, 0), Unit("a", 0, 1), Unit("b")), **arrays)


def patch(number: int, tile: str = "t", nodata_rows: int = 0) -> Patch:
    rng = np.random.default_rng(number)
    valid = np.ones((SIZE, SIZE), np.bool_)
    valid[:nodata_rows] = False
    return Patch(
        tile=tile, row=0, col=0, fresh_row=0, fresh_col=0,
        image=np.where(valid[..., None], rng.integers(1, 256, (SIZE, SIZE, 2)), 0).astype(np.uint8),
        label=rng.integers(0, 3, (SIZE, SIZE)).astype(np.uint8),
        valid=valid, georeference=Georeference(Affine.identity(), ""),
    )  # fmt: skip


def write(path: Path, patches: list[Patch]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in patches:
            writer.write(encode_patch(one, CONTRACT.table.names, CONTRACT.bands))
    return str(path)


def test_every_pixel_of_a_small_split_counts_once(tmp_path: Path) -> None:
    patches = [patch(i, tile=f"a/r{i}c0" if i < 3 else "b") for i in range(7)]
    files = [write(tmp_path / "1", patches[:4]), write(tmp_path / "2", patches[4:])]
    found = measure_reference(files, CONTRACT, EVALUATION, counts())
    assert (found.records, found.counted_records) == (7, 7)
    for i, band in enumerate(found.bands):
        values = np.concatenate([one.image[..., i].ravel() for one in patches])
        expected = dict(zip(*np.unique(values, return_counts=True), strict=True))
        assert dict(zip(band.histogram.bins, band.histogram.counts, strict=True)) == expected
        assert band.histogram.median == np.sort(values)[(len(values) - 1) // 2]
        # Ground blocks of one tile are one tile, as a map of it would be.
        assert len(band.tiles) == 2
        whole = grouped(band.histogram.bins, band.histogram.counts, band.cuts)
        np.testing.assert_array_equal(np.sum(band.tiles, axis=0), whole)
        assert band.tiles[0][0] == 0
        assert sum(band.tiles[0]) == 3 * SIZE * SIZE
    labels = np.concatenate([one.label.ravel() for one in patches])
    assert found.classes.trained == tuple(np.bincount(labels, minlength=3))
    assert found.classes.mapped == (11, 22, 33)
    assert found.classes.tiles == ((1, 2, 3), (10, 20, 30))
    assert found.confidence is not None
    assert found.confidence.counts == (0, 4, 6)
    assert found.confidence.tiles == ((0, 4, 2), (0, 0, 4))


def test_nodata_is_not_counted(tmp_path: Path) -> None:
    patches = [patch(1, nodata_rows=3), patch(2)]
    patches[1].label[:4] = VOID_ID  # no truth there, but image
    (red, _) = measure_reference([write(tmp_path / "1", patches)], CONTRACT).bands
    assert 0 not in red.histogram.bins
    assert red.histogram.pixels == 5 * SIZE + SIZE * SIZE


def test_of_a_large_split_patches_are_taken_evenly(tmp_path: Path) -> None:
    patches = [patch(i) for i in range(10)]
    file = write(tmp_path / "1", patches)
    found = measure_reference([file], CONTRACT, most_pixels=4 * SIZE * SIZE)
    assert (found.records, found.counted_records) == (10, 4)
    alone = measure_reference([write(tmp_path / "2", patches[::3])], CONTRACT)
    assert found.bands == alone.bands


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_other_dtypes(tmp_path: Path, dtype: Any) -> None:
    one = patch(3)
    image = (one.image.astype(np.float64) * 37 - 1000 * (dtype != "uint16")).astype(dtype)
    contract = CONTRACT.model_copy(update={"dtype": dtype})
    file = write(tmp_path / "1", [Patch(**{**vars(one), "image": image})])
    (red, _) = measure_reference([file], contract).bands
    assert red.histogram.pixels == SIZE * SIZE
    low = lower_value(red.histogram.bins[0], dtype)
    assert low == pytest.approx(float(image[..., 0].min()), rel=1 / 128)


def test_a_version_carries_them(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    write(examples / "Split-train" / "data-00000-of-00001", [patch(1)])
    write(examples / "Split-eval" / "data-00000-of-00001", [patch(2)])
    model, maps, version = tmp_path / "model", tmp_path / "maps", tmp_path / "served" / "7"
    (model / "assets.extra").mkdir(parents=True)
    (model / "assets.extra" / CONTRACT_FILE).write_text(CONTRACT.model_dump_json())
    maps.mkdir()
    (maps / "figures.json").write_text(json.dumps(EVALUATION))
    (maps / COUNTS_FILE).write_bytes(to_npz(counts()))
    write_reference(version, str(model), str(examples), str(maps))
    found = read_reference(version)
    assert found == read_reference(version / EXTRA / REFERENCE_FILE)
    assert found.records == 1
    assert found.classes.mapped == (11, 22, 33)
    assert found.confidence is not None
    assert found.confidence.counts == (0, 4, 6)
    write_reference(version, str(model), str(examples), None)
    assert (read_reference(version).classes.mapped, read_reference(version).confidence) == (None, None)
    assert [path.name for path in (version / EXTRA).iterdir()] == [REFERENCE_FILE]


def test_what_cannot_be_a_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=REFERENCE_FILE):
        read_reference(tmp_path)
    (tmp_path / "r.json").write_text('{"format": "another"}')
    with pytest.raises(DataError, match=r"r.json cannot be read"):
        read_reference(tmp_path / "r.json")
    with pytest.raises(DataError, match="no valid pixel"):
        measure_reference([write(tmp_path / "1", [])], CONTRACT)
    with pytest.raises(DataError, match=r"record 0 of .* cannot be read"):
        measure_reference([write(tmp_path / "2", [patch(1)])], CONTRACT.model_copy(update={"bands": ("red",)}))
