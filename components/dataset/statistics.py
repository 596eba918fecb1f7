"""What the network must know of the training split: its bands, its classes, and a fingerprint of its records.

All of it comes from the records' scalar features; no image is decoded. With `m` and `s` the mean and deviation of a
band in a patch and `n` the patch's valid pixels, over the split

    mean = sum(n * m) / sum(n)        variance = sum(n * (s**2 + m**2)) / sum(n) - mean**2
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.errors import DataError
from components.records.patch_example import BAND_MEAN, BAND_STDDEV, CLASS_FRACTION, NODATA_SHARE
from components.records.record_format import RecordFormat

_BATCH = 256


@dataclass(frozen=True)
class SplitStatistics:
    """Of all records of a split; patches that overlap count their common pixels each time.

    Attributes:
        records: Number of records.
        band_mean, band_stddev: `(bands,)` float64 over valid pixels, in the sensor's own numbers.
        class_pixels: `(K,)` float64, pixels of each class.
        class_patch_pixels: `(K,)` float64, all pixels of the patches in which the class occurs.
        class_fraction: `(records, K)` float32, share of each record's pixels that are of each class, 0 to 1.
        fingerprint: Hex digest of the records' bytes in order.
    """

    records: int
    band_mean: NDArray[np.float64]
    band_stddev: NDArray[np.float64]
    class_pixels: NDArray[np.float64]
    class_patch_pixels: NDArray[np.float64]
    class_fraction: NDArray[np.float32]
    fingerprint: str


def split_statistics(files: Sequence[str], record_format: RecordFormat) -> SplitStatistics:
    """Reads all records of a split once, checking their checksums.

    Args:
        files: Uncompressed TFRecord files.
        record_format: Names the bands and the classes.

    Raises:
        DataError: If there is no record, no valid pixel, a pixel so large that a band has no finite mean and deviation,
            or a record does not fit the format or its checksum.
    """
    names = {
        BAND_MEAN: [f"{BAND_MEAN}/{band}" for band in record_format.bands],
        BAND_STDDEV: [f"{BAND_STDDEV}/{band}" for band in record_format.bands],
        CLASS_FRACTION: [f"{CLASS_FRACTION}/{name}" for name in record_format.table.names],
        NODATA_SHARE: [NODATA_SHARE],
    }
    spec = {name: tf.io.FixedLenFeature([], tf.float32) for group in names.values() for name in group}
    kind = {"size": tf.io.FixedLenFeature([], tf.int64), "dtype": tf.io.FixedLenFeature([], tf.string)}

    def scalars(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        features = tf.io.parse_example(serialized, {**spec, **kind})
        groups = [tf.stack([features[name] for name in group], axis=-1) for group in names.values()]
        return (*groups, *(features[name] for name in kind), tf.fingerprint(serialized))

    columns: list[list[NDArray[np.float64]]] = [[] for _ in names]
    digest = hashlib.sha256()
    try:
        # One file after the other: interleaving would make the fingerprint depend on timing.
        for *groups, sizes, dtypes, fingerprints in (
            tf.data.TFRecordDataset(list(files)).batch(_BATCH).map(scalars).prefetch(2)
        ):
            _check_kind(_place(files), sizes.numpy(), dtypes.numpy(), record_format)
            digest.update(fingerprints.numpy().tobytes())
            for column, group in zip(columns, groups, strict=True):
                column.append(group.numpy().astype(np.float64))
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise DataError(
            f"the records of {_place(files)} cannot be read: {error.message.splitlines()[0]}",
            f"records with bands {', '.join(record_format.bands)} and classes {', '.join(record_format.table.names)}",
            "run the ingest again with this configuration",
        ) from error
    if not columns[0]:
        raise DataError(f"{_place(files)}: no record", "at least one patch", "give the split at least one tile")
    mean, stddev, fraction, nodata_share = (np.concatenate(column) for column in columns)
    valid = 1.0 - nodata_share
    if valid.sum() <= 0:
        raise DataError(f"{_place(files)}: no valid pixel in any record", "image data", "check the tiles' nodata value")
    band_mean = (valid * mean).sum(axis=0) / valid.sum()
    variance = (valid * (stddev**2 + mean**2)).sum(axis=0) / valid.sum() - band_mean**2
    endless = [
        name for name, number in zip(record_format.bands, band_mean + variance, strict=True) if not np.isfinite(number)
    ]
    if endless:
        raise DataError(
            f"{_place(files)}: the mean or the deviation of {', '.join(endless)} is no finite number",
            "measurements; -3.4e38, say, marks the lack of one",
            "give the tiles that marker as their nodata value (gdal_edit.py -a_nodata) and run the ingest again",
        )
    pixels = record_format.patch_size**2
    return SplitStatistics(
        records=len(mean),
        band_mean=band_mean,
        band_stddev=np.sqrt(np.maximum(variance, 0.0)),
        class_pixels=fraction.sum(axis=0) * pixels,
        class_patch_pixels=(fraction > 0).sum(axis=0) * float(pixels),
        class_fraction=fraction.astype(np.float32),
        fingerprint=digest.hexdigest(),
    )


def _check_kind(place: str, sizes: NDArray[np.int64], dtypes: NDArray[np.object_], record_format: RecordFormat) -> None:
    """Refuses records whose bytes are of another kind: they would be cut, or filled up with zeros, until they fit."""
    other = (sizes != record_format.patch_size) | (dtypes != record_format.dtype.encode())
    if other.any():
        first = int(other.argmax())
        raise DataError(
            f"{place}: a record of {sizes[first]} px in {dtypes[first].decode()}",
            f"patches of {record_format.patch_size} px in {record_format.dtype}",
            "run the ingest again with this configuration",
        )


def _place(files: Sequence[str]) -> str:
    return f"{files[0]} and {len(files) - 1} more" if len(files) > 1 else (files[0] if files else "the split")
