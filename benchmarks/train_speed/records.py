"""Training records of generated scenes, for measuring; and the batches that a training would draw from them."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from components.classes import ClassTable, LandClass
from components.dataset.augment_options import AugmentOptions
from components.dataset.patch_dataset import training_batches
from components.dataset.record_index import index_records
from components.dataset.statistics import split_statistics
from components.geo.raster import Georeference
from components.records.patch_example import Patch, encode_patch
from components.records.record_file import open_record_file
from components.records.record_format import RecordFormat
from tfx_pipeline.sample_scenes.options import SceneOptions
from tfx_pipeline.sample_scenes.painting import CLASS_COLORS
from tfx_pipeline.sample_scenes.scene import CLASS_NAMES, generate_scene

ENDLESS = 1 << 40


def scene_format(patch_size: int) -> RecordFormat:
    """RGB and the six classes of the generated scenes."""
    classes = tuple(LandClass(name=name, color=color) for name, color in zip(CLASS_NAMES, CLASS_COLORS, strict=True))
    table = ClassTable(classes=classes)
    return RecordFormat(patch_size=patch_size, bands=("red", "green", "blue"), dtype="uint8", table=table)


def write_scene_records(path: Path, record_format: RecordFormat, records: int) -> None:
    """The patches of one square generated scene, row by row, until there are `records` of them."""
    size = record_format.patch_size
    across = int(np.ceil(np.sqrt(records)))
    scene = generate_scene(SceneOptions(seed=1, height_px=across * size, width_px=across * size))
    place = Georeference(scene.transform, scene.crs.to_wkt())
    with open_record_file(str(path)) as writer:
        for number in range(records):
            row, col = (number // across) * size, (number % across) * size
            part = (slice(row, row + size), slice(col, col + size))
            known = np.ones((size, size), bool)
            patch = Patch("bench", row, col, 0, 0, scene.rgb[part], scene.class_ids[part], known, place)
            writer.write(encode_patch(patch, record_format.table.names, record_format.bands))


def scene_batches(path: Path, record_format: RecordFormat, batch_size: int) -> tf.data.Dataset:
    """Endless augmented batches, made as a training makes them by default."""
    return training_batches(
        index_records([str(path)]),
        record_format,
        split_statistics([str(path)], record_format),
        AugmentOptions(),
        batch_size=batch_size,
        seed=0,
        start_step=0,
        stop_step=ENDLESS,
    )
