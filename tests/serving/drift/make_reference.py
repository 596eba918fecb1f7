"""Scenes, training records and reference statistics for the models of `tests/serving/conftest.py`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from affine import Affine

from components.contract import ModelContract
from components.drift.measure_reference import measure_reference
from components.drift.reference import ReferenceStatistics
from components.evaluation.calibration import PIXELS
from components.evaluation.counts import CountingOptions, EvaluationCounts, Unit
from components.geo.raster import Georeference
from components.records.patch_example import Patch, encode_patch
from serving.drift.map_statistics import MapStatistics


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random bands, but never two equal ones, so that every pixel has one right class."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.uint8([50, 120, 190]), (height, width, 1)), axis=-1)
    return order + rng.integers(0, 40, (height, width, 3), np.uint8)


def write_records(path: Path, contract: ModelContract, scenes: Sequence[np.ndarray]) -> str:
    """The scenes cut into patches, as training records."""
    size = contract.patch_size
    with tf.io.TFRecordWriter(str(path)) as writer:
        for i, pixels in enumerate(scenes):
            for row in range(0, pixels.shape[0] - size + 1, size):
                for col in range(0, pixels.shape[1] - size + 1, size):
                    image = pixels[row : row + size, col : col + size]
                    patch = Patch(
                        f"tile {i}", row, col, row, col, image, image.argmax(-1).astype(np.uint8),
                        np.ones(image.shape[:2], np.bool_), Georeference(Affine.identity(), ""),
                    )  # fmt: skip
                    writer.write(encode_patch(patch, contract.table.names, contract.bands))
    return str(path)


def evaluation_of(maps: Sequence[MapStatistics]) -> dict[str, Any]:
    """What the evaluation of whole tiles would have said of these maps, as far as the reference asks."""
    return {"tiles": [{"mapped_pixels": list(of_map.class_pixels.values())} for of_map in maps]}


def counts_of(maps: Sequence[MapStatistics], class_count: int) -> EvaluationCounts:
    """The same of the counts: pixels by confidence, in 15 bins."""
    nothing = EvaluationCounts.none(class_count, CountingOptions(block_px=None))
    sizes = {name: (len(maps), *array.shape[1:]) for name, array in nothing.arrays.items()}
    arrays = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
    arrays["reliability"][:, :, PIXELS] = np.reshape([of_map.confidence for of_map in maps], (len(maps), 15, -1)).sum(2)
    units = tuple(Unit(f"tile {i:03}") for i in range(len(maps)))
    return EvaluationCounts(class_count, nothing.options, units, **arrays)


def make_reference(
    folder: Path, contract: ModelContract, scenes: Sequence[np.ndarray], maps: Sequence[MapStatistics]
) -> ReferenceStatistics:
    """The reference of a version that was trained on scenes and evaluated by maps."""
    files = [write_records(folder / "records", contract, scenes)]
    return measure_reference(files, contract, evaluation_of(maps), counts_of(maps, len(contract.table)))
