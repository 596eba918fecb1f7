"""Exports a trained network as the SavedModel that is evaluated, pushed and served.

Names and shapes of the signatures are those of `components.contract`. The graph is not compiled with XLA: the stock
model server has XLA for CPUs switched off and answers such models with errors.
"""

import os
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from components.contract import (
    CLASS_IDS,
    CLASS_IDS_BYTES,
    CONFUSION,
    CONTRACT,
    CONTRACT_FILE,
    DESCRIBE_SIGNATURE,
    ERODED_CONFUSION,
    EVALUATE_SIGNATURE,
    EXAMPLES,
    EXAMPLES_SIGNATURE,
    IMAGE,
    QUERY,
    SCORES,
    SCORES_BYTES,
    SERVING_SIGNATURE,
    ModelContract,
)
from components.dataset.patch_dataset import fresh_label
from components.evaluation.erosion import ISPRS_RADIUS
from components.records import patch_example
from components.records.record_format import RecordFormat
from components.training.confusion import patch_confusions
from components.training.truth_erosion import eroded_label

EXTRA_ASSETS = "assets.extra"
"""Folder of a SavedModel that TensorFlow Serving reads warm-up requests from and otherwise leaves alone."""

PNG_COMPRESSION = 1
"""zlib level; class ids are large even areas, on which higher levels cost time and save little."""


def model_contract(record_format: RecordFormat, provenance: Mapping[str, str] | None = None) -> ModelContract:
    """What clients are told about a model that was trained on records of this format."""
    return ModelContract.model_validate({**record_format.model_dump(), "provenance": dict(provenance or {})})


def class_ids_of(logits: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width)` uint8: the class with the highest of the logits `(batch, height, width, K)`."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def scores_of(logits: tf.Tensor) -> tf.Tensor:
    """`(batch, height, width, K)` uint8: the soft-max probability times 255, rounded."""
    return tf.cast(tf.round(tf.nn.softmax(logits) * 255.0), tf.uint8)


def png_bytes(class_ids: tf.Tensor) -> tf.Tensor:
    """`(batch,)` string: each patch `(height, width)` uint8 as a one-channel PNG."""
    return tf.map_fn(
        lambda ids: tf.io.encode_png(ids[..., None], compression=PNG_COMPRESSION),
        class_ids,
        fn_output_signature=tf.TensorSpec([], tf.string),
    )


def raw_bytes(values: tf.Tensor) -> tf.Tensor:
    """`(batch,)` string: the C-ordered bytes of each patch of a uint8 tensor `(batch, ...)` of known inner shape.

    TensorFlow has no operation from numbers to raw bytes. A serialised TensorProto ends with them, so the batch is
    serialised once and cut from its end.
    """
    length = values.shape[1:].num_elements()
    serialized = tf.io.serialize_tensor(values)
    from_end = tf.range(tf.shape(values)[0], 0, -1) * -length
    return tf.strings.substr(serialized, from_end, tf.fill(tf.shape(from_end), length))


class ServedModel(tf.Module):
    """The signatures around a Keras model.

    Args:
        model: From `(batch, size, size, bands)` in the records' dtype to logits `(batch, size, size, K)`.
        record_format: Of the records it was trained on.
        provenance: What it was made from, for the contract.
    """

    def __init__(
        self, model: keras.Model, record_format: RecordFormat, provenance: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self._format = record_format
        self._contract_json = model_contract(record_format, provenance).model_dump_json()
        # The variables alone: tracking the Keras model would save a second set of functions with it.
        self.network_variables = [variable.value for variable in model.variables]

        def logits(image: tf.Tensor) -> tf.Tensor:
            return model(image, training=False)

        self._logits = logits

    def signatures(self) -> dict[str, Any]:
        """The functions to save, by signature name."""
        size, bands = self._format.patch_size, len(self._format.bands)
        image = tf.TensorSpec([None, size, size, bands], tf.as_dtype(self._format.dtype), name=IMAGE)
        examples = tf.TensorSpec([None], tf.string, name=EXAMPLES)
        query = tf.TensorSpec([None], tf.string, name=QUERY)
        return {
            SERVING_SIGNATURE: tf.function(self._serve, input_signature=[image]),
            EXAMPLES_SIGNATURE: tf.function(self._serve_examples, input_signature=[examples]),
            EVALUATE_SIGNATURE: tf.function(self._evaluate, input_signature=[examples]),
            DESCRIBE_SIGNATURE: tf.function(self._describe, input_signature=[query]),
        }

    def _serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = self._logits(image)
        class_ids, scores = class_ids_of(logits), scores_of(logits)
        return {
            CLASS_IDS: class_ids,
            SCORES: scores,
            CLASS_IDS_BYTES: png_bytes(class_ids),
            SCORES_BYTES: raw_bytes(scores),
        }

    def _serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {patch_example.IMAGE: tf.io.FixedLenFeature([], tf.string)}
        image_bytes = tf.io.parse_example(examples, spec)[patch_example.IMAGE]
        size, bands = self._format.patch_size, len(self._format.bands)
        class_ids = class_ids_of(self._logits(patch_example.decode_image(image_bytes, size, bands, self._format.dtype)))
        return {CLASS_IDS: class_ids, CLASS_IDS_BYTES: png_bytes(class_ids)}

    def _evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        size, bands = self._format.patch_size, len(self._format.bands)
        image, label = patch_example.parse_image_and_label(examples, size, bands, self._format.dtype)
        class_ids = class_ids_of(self._logits(image))
        classes = len(self._format.table)
        eroded = self._eroded(examples, label)
        return {
            CONFUSION: patch_confusions(fresh_label(examples, label), class_ids, classes),
            ERODED_CONFUSION: patch_confusions(fresh_label(examples, eroded), class_ids, classes),
        }

    def _eroded(self, examples: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """The records' own eroded truth where they have one, else ours."""
        spec = {patch_example.ERODED_LABEL: tf.io.FixedLenFeature([], tf.string, default_value="")}
        own = tf.io.parse_example(examples, spec)[patch_example.ERODED_LABEL]
        size = self._format.patch_size
        decoded = patch_example.decode_label(own, size)
        computed = eroded_label(label, ISPRS_RADIUS // self._format.downsample)
        return tf.where((tf.strings.length(own) > 0)[:, None, None], decoded, computed)

    def _describe(self, query: tf.Tensor) -> dict[str, tf.Tensor]:
        return {CONTRACT: tf.fill(tf.shape(query), self._contract_json)}


def export_saved_model(
    model: keras.Model, record_format: RecordFormat, folder: str, provenance: Mapping[str, str] | None = None
) -> None:
    """Writes the SavedModel, and the contract beside it in `assets.extra`.

    Args:
        model: A float32 network for patches in the records' dtype.
        record_format: Of the records it was trained on.
        folder: The SavedModel's folder, on any file system that `tf.io.gfile` knows.
        provenance: What it was made from; clients write it into their maps.
    """
    served = ServedModel(model, record_format, provenance)
    tf.saved_model.save(served, folder, signatures=served.signatures())
    extra = os.path.join(folder, EXTRA_ASSETS)  # noqa: PTH118 the folder may be s3://
    tf.io.gfile.makedirs(extra)
    with tf.io.gfile.GFile(os.path.join(extra, CONTRACT_FILE), "w") as target:  # noqa: PTH118
        target.write(model_contract(record_format, provenance).model_dump_json(indent=1))
