"""The record: one patch as a serialised `tf.train.Example`, and its inverse in the graph.

| feature | type | content |
|---|---|---|
| `image` | bytes | C-ordered `(height, width, bands)` in `dtype` |
| `label` | bytes | C-ordered `(height, width)` uint8 class ids, `VOID_ID` where there is no truth or no image |
| `tile`, `dtype`, `crs` | bytes | tile id; NumPy name of the image's dtype; WKT or empty |
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


def band_statistics(image: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each band over the valid pixels, `(bands,)` each; zeros if none is valid."""
    pixels = image.reshape(-1, image.shape[-1]) if valid.all() else image[valid]
    if len(pixels) == 0:
        zeros = np.zeros(image.shape[-1])
        return zeros, zeros
    if pixels.dtype.itemsize <= 2:
        # Integers: one pass with exact sums, several times faster than ndarray.std on strided bands.
        wide = pixels.astype(np.float32)
        mean = wide.mean(axis=0, dtype=np.float64)
        mean_square = np.einsum("nb,nb->b", wide, wide, dtype=np.float64) / len(wide)
        return mean, np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    return pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)


def encode_patch(patch: Patch, class_names: tuple[str, ...], band_names: tuple[str, ...]) -> bytes:
    """The record of a patch. Equal patches give equal bytes."""
    label = patch.label
    if not patch.valid.all():
        label = np.where(patch.valid, label, np.uint8(VOID_ID))
    counts = np.bincount(label.ravel(), minlength=256)
    mean, stddev = band_statistics(patch.image, patch.valid)
    example = tf.train.Example()
    feature = example.features.feature
    feature[IMAGE].bytes_list.value.append(np.ascontiguousarray(patch.image).tobytes())
    feature[LABEL].bytes_list.value.append(np.ascontiguousarray(label).tobytes())
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
    feature[VOID_SHARE].float_list.value.append(counts[VOID_ID] / label.size)
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
