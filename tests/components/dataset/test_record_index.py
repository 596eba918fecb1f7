import gc
from pathlib import Path

import pytest
import tensorflow as tf

from components.dataset.record_index import index_records, record_files
from components.errors import DataError


def write(path: Path, records: list[bytes]) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def test_any_record_is_read_by_its_number(tmp_path: Path):
    files = [
        write(tmp_path / "a", [b"zero", b"", b"two" * 1000]),
        write(tmp_path / "b", []),
        write(tmp_path / "c", [b"three"]),
    ]
    index = index_records(files)
    assert len(index) == 4
    assert index.read([3, 2, 0, 1, 3]) == [b"three", b"two" * 1000, b"zero", b"", b"three"]


def test_offsets_agree_with_tensorflow(tmp_path: Path):
    path = write(tmp_path / "a", [bytes([i]) * (i * 37 + 1) for i in range(50)])
    index = index_records([path])
    assert index.read(range(50)) == [record.numpy() for record in tf.data.TFRecordDataset(path)]


def test_a_truncated_file_is_named(tmp_path: Path):
    path = Path(write(tmp_path / "a", [b"one", b"two"]))
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError, match="a breaks off after 1 records"):
        index_records([str(path)])


def test_patterns_give_files_once_and_in_order(tmp_path: Path):
    files = [write(tmp_path / name, []) for name in ("s-00001-of-00002", "s-00000-of-00002", "other")]
    patterns = [str(tmp_path / "s-*"), str(tmp_path / "s-00000*")]
    assert record_files(patterns) == (files[1], files[0])
    assert record_files([str(tmp_path / "nothing*")]) == ()


def test_files_of_other_file_systems_are_copied(tmp_path: Path):
    with tf.io.gfile.GFile("ram://eoseg_test/records", "wb") as target:
        target.write(Path(write(tmp_path / "a", [b"one", b"two"])).read_bytes())
    index = index_records(["ram://eoseg_test/records"])
    assert index.read([1]) == [b"two"]
    copies = Path(index.files[0]).parent
    assert copies.is_dir()
    del index
    gc.collect()
    assert not copies.exists()


def test_local_files_are_read_where_they_are(tmp_path: Path):
    path = write(tmp_path / "a", [b"one"])
    index = index_records([path])
    assert index.files == (path,)
    del index
    gc.collect()
    assert Path(path).exists()
