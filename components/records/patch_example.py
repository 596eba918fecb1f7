"""The record: one patch as a serialised `tf.train.Example`, and its inverse in the graph.

| feature | type | content |
|---|---|---|
| `image` | bytes | C-ordered `(height, width, bands)` in `dtype` |
| `label` | bytes | C-ordered `(height, width)` uint8 class ids, `VOID_ID` where there is no truth or no image |
| `tile`, `dtype`, `crs` | bytes | tile id; NumPy name of the image's dtype; WKT or empty |
| `eroded_label` | bytes | `label` with `VOID_ID` also where the tile's `ignore` raster says; only if it has one |
| `row`, `col` | int64 | upper left corner in the tile, in tile pixels |
| `fresh_row`, `fresh_col` | int64 | first patch row / column that no patch above / to the left covers |
| `size` | int64 | pixels a side |
| `transform` | 6 float | patch pixel to ground, in the order of `affine.Affine` |
| `class_fraction/<class>` | float | share of the patch's pixels, 0 to 1 |
| `void_share`, `nodata_share` | float | share of the patch's pixels, 0 to 1 |
| `band_mean/<band>`, `band_stddev/<band>` | float | over valid pixels, in the sensor's own numbers |

The scalar features are what StatisticsGen and the schema see; image and label bytes are opaque to them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.classes import VOID_ID
from components.geo.raster import Georeference

IMAGE = "image"
LABEL = "label"
ERODED_LABEL = "eroded_label"
TILE = "tile"
ROW = "row"
COL = "col"
FRESH_ROW = "fresh_row"
FRESH_COL = "fresh_col"
CLASS_FRACTION = "class_fraction"
BAND_MEAN = "band_mean"
BAND_STDDEV = "band_stddev"
VOID_SHARE = "void_share"
NODATA_SHARE = "nodata_share"


@dataclass(frozen=True)
class Patch:
    """One patch as it is cut from a tile.

    Attributes:
        tile: The tile's id.
        row, col: Upper left corner in the tile, in tile pixels.
        fresh_row, fresh_col: See `components.geo.grid.GridCell`.
        image: `(size, size, bands)`.
        label: `(size, size)` uint8 class ids, `VOID_ID` where there is no truth.
        valid: `(size, size)` bool; False is nodata.
        georeference: Of the patch's upper left corner.
        ignored: `(size, size)` bool, the pixels that the eroded truth leaves out; None where there is no such raster.
    """

    tile: str
    row: int
    col: int
    fresh_row: int
    fresh_col: int
    image: NDArray[Any]
    label: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    georeference: Georeference
    ignored: NDArray[np.bool_] | None = None


def band_statistics(image: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each band over the valid pixels, `(bands,)` each; zeros if none is valid."""
    height, width, bands = image.shape
    count = int(np.count_nonzero(valid))
    if count == 0:
        zeros = np.zeros(bands)
        return zeros, zeros
    # Rows added to rows: contiguous sums over few hundred values in float32, the rest in float64. Fifteen times faster
    # than reducing the strided bands one by one, and exact for bytes.
    flat = image.astype(np.float32).reshape(height, width * bands)
    outside = None if count == valid.size else ~np.repeat(valid, bands, axis=1)
    if outside is not None:
        flat[outside] = 0
    mean = _column_sums(flat, bands) / count
    flat -= np.tile(mean.astype(np.float32), width)
    if outside is not None:
        flat[outside] = 0
    np.square(flat, out=flat)
    return mean, np.sqrt(_column_sums(flat, bands) / count)


def _column_sums(flat: NDArray[np.float32], bands: int) -> NDArray[np.float64]:
    """Sum of each band `(bands,)` of `(height, width * bands)`."""
    sums: NDArray[np.float64] = flat.sum(axis=0).reshape(-1, bands).sum(axis=0, dtype=np.float64)
    return sums


def encode_patch(patch: Patch, class_names: tuple[str, ...], band_names: tuple[str, ...]) -> bytes:
    """The record of a patch. Equal patches give equal bytes."""
    label = patch.label
    if not patch.valid.all():
        label = np.where(patch.valid, label, np.uint8(VOID_ID))
    # Class by class: np.bincount would hold Python's lock, which another worker wants, and takes twice as long.
    counts = [np.count_nonzero(label == class_id) for class_id in range(len(class_names))]
    void = np.count_nonzero(label == VOID_ID)
    mean, stddev = band_statistics(patch.image, patch.valid)
    example = tf.train.Example()
    feature = example.features.feature
    feature[IMAGE].bytes_list.value.append(np.ascontiguousarray(patch.image).tobytes())
    feature[LABEL].bytes_list.value.append(np.ascontiguousarray(label).tobytes())
    if patch.ignored is not None:
        eroded = np.where(patch.ignored, np.uint8(VOID_ID), label)
        feature[ERODED_LABEL].bytes_list.value.append(eroded.tobytes())
    for name, text in ((TILE, patch.tile), ("dtype", patch.image.dtype.name), ("crs", patch.georeference.crs)):
        feature[name].bytes_list.value.append(text.encode())
    for name, number in (
        (ROW, patch.row),
        (COL, patch.col),
        (FRESH_ROW, patch.fresh_row),
        (FRESH_COL, patch.fresh_col),
        ("size", label.shape[0]),
    ):
        feature[name].int64_list.value.append(number)
    feature["transform"].float_list.value.extend(tuple(patch.georeference.transform)[:6])
    for class_id, name in enumerate(class_names):
        feature[f"{CLASS_FRACTION}/{name}"].float_list.value.append(counts[class_id] / label.size)
    feature[VOID_SHARE].float_list.value.append(void / label.size)
    feature[NODATA_SHARE].float_list.value.append(1.0 - np.count_nonzero(patch.valid) / label.size)
    for i, name in enumerate(band_names):
        feature[f"{BAND_MEAN}/{name}"].float_list.value.append(mean[i])
        feature[f"{BAND_STDDEV}/{name}"].float_list.value.append(stddev[i])
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def parse_image_and_label(serialized: tf.Tensor, size: int, bands: int, dtype: str) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels of a batch of records, in the graph; the inverse of `encode_patch`.

    Args:
        serialized: `(batch,)` string.
        size: Pixels a side.
        bands: Number of bands.
        dtype: NumPy name of the image's dtype.

    Returns:
        Image `(batch, size, size, bands)` in `dtype`, label `(batch, size, size)` uint8.
    """
    features = tf.io.parse_example(serialized, {key: tf.io.FixedLenFeature([], tf.string) for key in (IMAGE, LABEL)})
    return decode_image(features[IMAGE], size, bands, dtype), decode_label(features[LABEL], size)


def decode_image(image_bytes: tf.Tensor, size: int, bands: int, dtype: str) -> tf.Tensor:
    """`(batch, size, size, bands)` of the `image` feature `(batch,)`."""
    length = size * size * bands * np.dtype(dtype).itemsize
    flat = tf.io.decode_raw(image_bytes, tf.as_dtype(dtype), fixed_length=length)
    return tf.reshape(flat, [-1, size, size, bands])


def decode_label(label_bytes: tf.Tensor, size: int) -> tf.Tensor:
    """`(batch, size, size)` uint8 of the `label` feature `(batch,)`."""
    return tf.reshape(tf.io.decode_raw(label_bytes, tf.uint8, fixed_length=size * size), [-1, size, size])
