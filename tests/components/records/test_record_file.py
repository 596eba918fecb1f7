"""A record file appears whole or not at all: on a disk that fills up, in an object store, under a kill."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from components.errors import DataError, RasterError
from components.records.record_file import open_record_file

MEGABYTE = b"x" * 1_000_000


def write(path: Path, records: Iterable[bytes]) -> None:
    with open_record_file(str(path)) as file:
        for record in records:
            file.write(record)


def broken_off() -> Iterator[bytes]:
    yield b"one"
    raise RasterError("truncated")


def test_a_disk_that_fills_up_gives_one_clear_error_and_leaves_nothing_behind(small_disk: Path) -> None:
    path = small_disk / "Split-train" / "data"
    with pytest.raises(DataError, match=r"cannot be written(.|\n)*make room"):
        write(path, [MEGABYTE] * 5)
    assert list(path.parent.iterdir()) == []
    write(path, [MEGABYTE])  # once there is room
    assert len(list(tf.data.TFRecordDataset(str(path)))) == 1


def test_an_error_in_the_block_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(RasterError, match="truncated"):
        write(path, broken_off())
    assert list(tmp_path.iterdir()) == []


def test_no_record_makes_no_file(tmp_path: Path) -> None:
    write(tmp_path / "data", [])
    assert list(tmp_path.iterdir()) == []
