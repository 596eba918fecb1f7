"""Where records come from: tile and window, to name them to a person."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.dataset.record_index import RecordIndex
from components.geo.window import Window
from components.records.patch_example import COL, ROW, TILE
from components.records.record_format import RecordFormat


def record_places(
    index: RecordIndex, numbers: Sequence[int] | NDArray[np.int64], record_format: RecordFormat
) -> list[tuple[str, Window]]:
    """Tile and window, in tile pixels, of the records with these numbers, in their order."""
    size = record_format.patch_size * record_format.downsample
    spec = {
        TILE: tf.io.FixedLenFeature([], tf.string),
        ROW: tf.io.FixedLenFeature([], tf.int64),
        COL: tf.io.FixedLenFeature([], tf.int64),
    }
    features = tf.io.parse_example(tf.constant(index.read(numbers), tf.string), spec)
    columns = (features[name].numpy() for name in (TILE, ROW, COL))
    return [(tile.decode(), Window(int(row), int(col), size, size)) for tile, row, col in zip(*columns, strict=True)]
