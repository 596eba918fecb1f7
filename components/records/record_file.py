"""Writes one file of records that appears whole or not at all, on a local disk or in an object store."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf

from components.errors import DataError, EosegError
from components.file_systems import is_object_store, load_file_system


class RecordWriter:
    """An open record file; made by `open_record_file`.

    Attributes:
        records: How many were written.
    """

    def __init__(self, writer: tf.io.TFRecordWriter) -> None:
        self._writer = writer
        self.records = 0

    def write(self, record: bytes) -> None:
        """Appends a record."""
        self._writer.write(record)
        self.records += 1


@contextmanager
def open_record_file(path: str) -> Iterator[RecordWriter]:
    """Creates a record file; it gets its name when the block ends without an error and something was written.

    Args:
        path: A local path, or one of an object store (`s3://`): then the file is written locally first, and put in
            one piece.

    Raises:
        DataError: If it cannot be written: no room, no permission, no connection.
    """
    remote = is_object_store(path)
    part: Path | None = None
    try:
        if remote:
            load_file_system(path)
            handle, name = tempfile.mkstemp(prefix="eoseg_records_")
            os.close(handle)
            part = Path(name)
        else:
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.{os.getpid()}.part")
        with tf.io.TFRecordWriter(str(part)) as writer:
            records = RecordWriter(writer)
            yield records
        if not records.records:
            return
        if remote:
            tf.io.gfile.copy(str(part), path, overwrite=True)
        else:
            part.replace(path)
    except EosegError:
        raise  # of the block; some are OSErrors, too
    except (OSError, tf.errors.OpError) as error:
        raise DataError(
            f"the records {path} cannot be written: {error.message if isinstance(error, tf.errors.OpError) else error}",
            "a folder that can be written to, with room for the records",
            "make room (records take the pixels uncompressed), or choose another working directory, and run again",
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()
