"""A model whose right answer is arithmetic, another one for each version, so that every answer can be checked.

Class k of version v scores what band (k + v) mod 3 holds, plus v. So versions 1, 2 and 3 give each pixel three
different classes, and a patch that was mixed up with another one, of another request or another version, shows.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import contract as wire
from components.classes import ClassTable, LandClass
from components.contract import ModelContract

PATCH = 16
VERSIONS = (1, 2, 3)
_LARGEST = 250  # the version is added, and must not go over 255

TABLE = ClassTable(
    classes=tuple(LandClass(name=name, color=(85 * i, 80, 0)) for i, name in enumerate(("water", "forest", "roof")))
)
CONTRACT = ModelContract(patch_size=PATCH, bands=("blue", "green", "red"), dtype="uint8", table=TABLE)


def right_scores(patches: NDArray[np.uint8], version: int) -> NDArray[np.uint8]:
    """`(..., 3)` scores of `(..., 3)` bands."""
    scores: NDArray[np.uint8] = patches[..., [(k + version) % 3 for k in range(3)]] + np.uint8(version)
    return scores


def right_class_ids(pixels: NDArray[np.uint8], version: int) -> NDArray[np.uint8]:
    """The class of every pixel; of equal scores the first, as arg-max takes it."""
    class_ids: NDArray[np.uint8] = right_scores(pixels, version).argmax(-1).astype(np.uint8)
    return class_ids


def random_patches(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """`(count, 16, 16, 3)`, no two alike."""
    return rng.integers(0, _LARGEST + 1, (count, PATCH, PATCH, 3), np.uint8)


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """`(height, width, 3)` whose bands differ by 30 at least, so that no rounding decides a class."""
    rng = np.random.default_rng(seed)
    levels = np.broadcast_to(np.array([50, 120, 190], np.uint8), (height, width, 3))
    pixels: NDArray[np.uint8] = rng.permuted(levels, axis=-1) + rng.integers(0, 40, (height, width, 3), np.uint8)
    return pixels


def export_version(folder: Path, version: int) -> Path:
    """Exports a version with the signatures that clients use; imports TensorFlow."""
    import tensorflow as tf

    module = tf.Module()
    module.version = tf.Variable(version)  # restored from variables/, so that their loss is a fault that can be made

    def serve(image: Any) -> dict[str, Any]:
        bands = (tf.range(3) + module.version) % 3
        scores = tf.gather(image, bands, axis=-1) + tf.cast(module.version, tf.uint8)
        class_ids = tf.cast(tf.argmax(scores, -1), tf.uint8)
        every_byte = tf.constant([bytes([value]) for value in range(256)])
        characters = tf.gather(every_byte, tf.cast(tf.reshape(scores, [-1, 3 * PATCH * PATCH]), tf.int32))
        return {
            wire.CLASS_IDS_BYTES: tf.map_fn(
                lambda ids: tf.io.encode_png(ids[..., None]), class_ids, fn_output_signature=tf.string
            ),
            wire.SCORES_BYTES: tf.strings.reduce_join(characters, axis=-1),
        }

    def describe(query: Any) -> dict[str, Any]:
        return {wire.CONTRACT: tf.fill(tf.shape(query), CONTRACT.model_dump_json())}

    image_spec = tf.TensorSpec([None, PATCH, PATCH, 3], tf.uint8, name=wire.IMAGE)
    query_spec = tf.TensorSpec([None], tf.string, name=wire.QUERY)
    module.serve = tf.function(serve, input_signature=[image_spec], autograph=False)
    module.describe = tf.function(describe, input_signature=[query_spec], autograph=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    signatures = {wire.SERVING_SIGNATURE: module.serve, wire.DESCRIBE_SIGNATURE: module.describe}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def export_truncated(good: Path, folder: Path) -> Path:
    """A version whose copying broke off: half a graph."""
    shutil.copytree(good, folder)
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    return folder


def export_without_variables(good: Path, folder: Path) -> Path:
    """A version without its weights."""
    shutil.copytree(good, folder)
    shutil.rmtree(folder / "variables")
    return folder
