"""Models small enough to reason about, exported as EOSeg's contract says, and servers for them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports
    import tensorflow as tf

from components import contract
from components.classes import ClassTable, LandClass
from components.contract import ModelContract
from serving.embedded.options import ServerOptions
from serving.embedded.server import EmbeddedServer

PATCH = 16
TABLE = ClassTable(
    classes=(
        LandClass(name="water", color=(0, 0, 255)),
        LandClass(name="forest", color=(0, 128, 0)),
        LandClass(name="roof", color=(255, 0, 0)),
    )
)


class BandScores(tf.Module):
    """Class k scores what band k holds, blurred over `reach` pixels to each side: a network one can do in the head.

    `bias` is added to the scores, so that versions can be told apart.
    """

    def __init__(self, model_contract: ModelContract, reach: int, bias: int) -> None:
        super().__init__()
        self.contract = model_contract
        self.reach = reach
        self.bias = bias

    def scores(self, image: Any) -> Any:
        values = tf.cast(image, tf.float32)
        if self.reach:
            values = tf.nn.avg_pool2d(values, 2 * self.reach + 1, 1, "SAME")
        return tf.cast(tf.clip_by_value(tf.round(values) + self.bias, 0, 255), tf.uint8)


def export_model(folder: Path, model_contract: ModelContract, reach: int = 0, bias: int = 0) -> Path:
    """Exports a `BandScores` with all signatures of the contract that the client uses."""
    module = BandScores(model_contract, reach, bias)
    size, bands = model_contract.patch_size, len(model_contract.bands)

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, bands], model_contract.dtype, name=contract.IMAGE)])
    def serve(image: Any) -> dict[str, Any]:
        scores = module.scores(image)
        class_ids = tf.cast(tf.argmax(scores, -1), tf.uint8)
        return {
            contract.CLASS_IDS: class_ids,
            contract.SCORES: scores,
            contract.CLASS_IDS_BYTES: tf.map_fn(
                lambda ids: tf.io.encode_png(ids[..., None]), class_ids, fn_output_signature=tf.string
            ),
            contract.SCORES_BYTES: tf.map_fn(
                lambda one: tf.strings.reduce_join(tf.gather(tf.constant([bytes([i]) for i in range(256)]), tf.cast(
                    tf.reshape(one, [-1]), tf.int32))), scores, fn_output_signature=tf.string
            ),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=contract.QUERY)])
    def describe(query: Any) -> dict[str, Any]:
        return {contract.CONTRACT: tf.fill(tf.shape(query), model_contract.model_dump_json())}

    module.serve, module.describe = serve, describe
    folder.parent.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(
        module, str(folder), signatures={contract.SERVING_SIGNATURE: serve, contract.DESCRIBE_SIGNATURE: describe}
    )
    return folder
