"""Where each record of a split stands in its files, so that any record can be read at any time.

An uncompressed TFRecord file is a row of frames: length (8 bytes, little endian), checksum of the length (4), the
record, checksum of the record (4). Reading by offset gives a true shuffle over the whole split without a shuffle
buffer, and lets a resumed run begin in the middle of an epoch. The files are mapped, not loaded: the operating system
keeps a data set that fits in memory there, and a larger one is read from disk record by record.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.errors import DataError
from components.file_systems import load_file_system

_HEADER_BYTES = 12
_FOOTER_BYTES = 4


def record_files(patterns: Iterable[str]) -> tuple[str, ...]:
    """The files that match any of the patterns, in order of their names; none is no error here.

    Args:
        patterns: Paths or glob patterns, on any file system that `tf.io.gfile` knows.
    """
    patterns = tuple(patterns)
    for pattern in patterns:
        load_file_system(pattern)
    return tuple(sorted({path for pattern in patterns for path in tf.io.gfile.glob(pattern)}))


@dataclass(frozen=True)
class RecordIndex:
    """The records of some files, numbered from 0 in the order of the files.

    Attributes:
        files: Local paths.
        file_of_record: `(records,)` int32, index into `files`.
        offset: `(records,)` int64, first byte of the record in its file.
        length: `(records,)` int64, in bytes.
    """

    files: tuple[str, ...]
    file_of_record: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offset)

    @cached_property
    def _maps(self) -> list[NDArray[np.uint8]]:
        return [_mapped(path) for path in self.files]

    def read(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[bytes]:
        """The serialised records with these numbers, in their order."""
        records = []
        for number in numbers:
            start = int(self.offset[number])
            stop = start + int(self.length[number])
            records.append(self._maps[self.file_of_record[number]][start:stop].tobytes())
        return records


def index_records(files: Sequence[str]) -> RecordIndex:
    """Finds the records of uncompressed TFRecord files.

    Files that are not local are copied to a temporary folder first, which lasts as long as the index.

    Raises:
        DataError: If a file is compressed, truncated or no TFRecord file.
    """
    folder = tempfile.mkdtemp(prefix="eoseg_records_") if any("://" in path for path in files) else None
    try:
        index = _index_of(files, tuple(_local_copy(path, f"{folder}/{i}") for i, path in enumerate(files)))
    except BaseException:
        _remove(folder)
        raise
    # Also when the process ends.
    weakref.finalize(index, _remove, folder)
    return index


def _index_of(files: Sequence[str], local_files: tuple[str, ...]) -> RecordIndex:
    file_of_record: list[int] = []
    offsets: list[int] = []
    lengths: list[int] = []
    for file_number, path in enumerate(local_files):
        data = _mapped(path)
        position = 0
        while position < len(data):
            length = int.from_bytes(data[position : position + 8].tobytes(), "little")
            start = position + _HEADER_BYTES
            position = start + length + _FOOTER_BYTES
            if position > len(data):
                raise DataError(
                    f"{files[file_number]} breaks off after {file_of_record.count(file_number)} records",
                    "a complete, uncompressed TFRecord file",
                    "delete the file and run the ingest again",
                )
            file_of_record.append(file_number)
            offsets.append(start)
            lengths.append(length)
    return RecordIndex(
        local_files, np.array(file_of_record, np.int32), np.array(offsets, np.int64), np.array(lengths, np.int64)
    )


def _mapped(path: str) -> NDArray[np.uint8]:
    # An empty file cannot be mapped; an empty split's shard is one.
    if Path(path).stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r")


def _local_copy(path: str, target: str) -> str:
    """`path` itself if it is local; else `target`, to which it is copied."""
    if "://" not in path:
        return path
    with tf.io.gfile.GFile(path, "rb") as source, Path(target).open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 22)
    return target


def _remove(folder: str | None) -> None:
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
