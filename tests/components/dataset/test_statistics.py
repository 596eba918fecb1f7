from pathlib import Path

import numpy as np
import pytest

from components.classes import VOID_ID
from components.dataset.statistics import split_statistics
from components.errors import DataError


def test_statistics_equal_those_of_all_valid_pixels(tmp_path, make_patch, write_patches, record_format):
    valid = np.ones((8, 8), bool)
    valid[:3] = False
    patches = [make_patch(0), make_patch(1, valid=valid), make_patch(2, label=np.full((8, 8), 1, np.uint8))]
    files = [write_patches(tmp_path / "a", patches[:1]), write_patches(tmp_path / "b", patches[1:])]
    statistics = split_statistics(files, record_format)
    pixels = np.concatenate([patch.image[patch.valid] for patch in patches]).astype(np.float64)
    np.testing.assert_allclose(statistics.band_mean, pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics.band_stddev, pixels.std(axis=0), rtol=1e-5)
    labels = [np.where(patch.valid, patch.label, VOID_ID) for patch in patches]
    for class_id in range(3):
        counts = [int((label == class_id).sum()) for label in labels]
        assert statistics.class_pixels[class_id] == pytest.approx(sum(counts), abs=1e-3)
        assert statistics.class_patch_pixels[class_id] == 64 * sum(count > 0 for count in counts)
        shares = [count / 64 for count in counts]
        np.testing.assert_allclose(statistics.class_fraction[:, class_id], shares, atol=1e-7)
    assert statistics.records == 3


def test_the_fingerprint_follows_bytes_and_order_not_files(tmp_path, make_patch, write_patches, record_format):
    def fingerprint(*groups: list[int]) -> str:
        files = [
            write_patches(tmp_path / f"{i}", [make_patch(number) for number in group]) for i, group in enumerate(groups)
        ]
        return split_statistics(files, record_format).fingerprint

    assert fingerprint([0, 1, 2]) == fingerprint([0, 1, 2])
    assert fingerprint([0, 1, 2]) != fingerprint([0, 2, 1])
    assert fingerprint([0, 1, 2]) != fingerprint([0, 1, 3])


def test_records_that_cannot_be_trained_on_are_refused(tmp_path: Path, make_patch, write_patches, record_format):
    with pytest.raises(DataError, match="no record"):
        split_statistics([write_patches(tmp_path / "empty", [])], record_format)
    nodata = write_patches(tmp_path / "nodata", [make_patch(0, valid=np.zeros((8, 8), bool))])
    with pytest.raises(DataError, match="no valid pixel"):
        split_statistics([nodata], record_format)
    other = record_format.model_copy(update={"bands": ("red", "green")})
    with pytest.raises(DataError, match="cannot be read") as caught:
        split_statistics([write_patches(tmp_path / "other", [make_patch(0)])], other)
    assert "bands red, green" in caught.value.expected
    for changes, expected in (({"patch_size": 16}, "16 px in uint16"), ({"dtype": "uint8"}, "8 px in uint8")):
        wrong = record_format.model_copy(update=changes)
        with pytest.raises(DataError, match="kind: a record of 8 px in uint16") as caught:
            split_statistics([write_patches(tmp_path / "kind", [make_patch(0)])], wrong)
        assert caught.value.expected == f"patches of {expected}"


def test_a_damaged_record_is_found_by_its_checksum(tmp_path: Path, make_patch, write_patches, record_format):
    path = Path(write_patches(tmp_path / "a", [make_patch(0)]))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        split_statistics([str(path)], record_format)


def test_a_marker_of_nodata_that_nobody_declared_is_found(tmp_path: Path, make_patch, write_patches, record_format):
    # With a deviation of infinity the network would see zeros, whatever the pixels are.
    floats = record_format.model_copy(update={"dtype": "float32"})
    image = make_patch(0).image.astype(np.float32)
    image[0, 0, 1] = np.finfo(np.float32).min
    with np.errstate(over="ignore"):
        path = write_patches(tmp_path / "a", [make_patch(0, image=image)])
    with pytest.raises(DataError, match="the mean or the deviation of nir is no finite number") as caught:
        split_statistics([path], floats)
    assert "nodata" in caught.value.remedy
