from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from affine import Affine

from components.classes import ClassTable, LandClass
from components.geo.raster import Georeference
from components.records.patch_example import Patch, encode_patch
from components.records.record_format import RecordFormat

SIZE = 8


@pytest.fixture(scope="session")
def record_format() -> RecordFormat:
    table = ClassTable(classes=tuple(LandClass(name=f"c{i}", color=(i, i, i)) for i in range(3)))
    return RecordFormat(patch_size=SIZE, bands=("red", "nir"), dtype="uint16", table=table)


WritePatches = Callable[..., str]


@pytest.fixture(scope="session")
def make_patch() -> Callable[..., Patch]:
    def make(number: int, **changes: object) -> Patch:
        """A patch of random pixels in which pixel (0, 0) of band 0 is its number."""
        rng = np.random.default_rng(number)
        image = rng.integers(0, 60_000, (SIZE, SIZE, 2)).astype(np.uint16)
        image[0, 0, 0] = number
        label = rng.integers(0, 3, (SIZE, SIZE)).astype(np.uint8)
        values = {
            "tile": "t", "row": 0, "col": 0, "fresh_row": 0, "fresh_col": 0, "image": image, "label": label,
            "valid": np.ones((SIZE, SIZE), bool), "georeference": Georeference(Affine.identity(), ""),
        } | changes  # fmt: skip
        return Patch(**values)

    return make


@pytest.fixture(scope="session")
def write_patches(record_format: RecordFormat) -> WritePatches:
    def write(path: Path, patches: list[Patch]) -> str:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for patch in patches:
                writer.write(encode_patch(patch, record_format.table.names, record_format.bands))
        return str(path)

    return write
