"""Warm-up requests: TensorFlow Serving replays them before a version takes its first real request.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components import contract

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_warmup(version_folder: Path, model_name: str, patches: NDArray[Any], batch_sizes: Sequence[int]) -> None:
    """Writes one request for each batch size and each output that EOSeg's client asks for.

    Args:
        version_folder: Gets `assets.extra/tf_serving_warmup_requests`.
        model_name: The name the model is served under.
        patches: `(n, height, width, bands)`, at least one; repeated to fill a batch.
        batch_sizes: In patches; the sizes that the server will run.
    """
    path = version_folder / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in batch_sizes:
            batch = patches[[i % len(patches) for i in range(size)]]
            for output in (contract.CLASS_IDS_BYTES, contract.SCORES_BYTES):
                request = predict_pb2.PredictRequest(output_filter=[output])
                request.model_spec.name = model_name
                request.model_spec.signature_name = contract.SERVING_SIGNATURE
                request.inputs[contract.IMAGE].CopyFrom(tf.make_tensor_proto(batch))
                log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
                writer.write(log.SerializeToString())


def largest_warmup_request(version_folder: str) -> int:
    """Patches in the largest request of a version's warm-up file; no server that takes fewer a request loads it.

    Args:
        version_folder: On any file system that `tf.io.gfile` knows.

    Returns:
        At least 1, also where the version has no such file.
    """
    path = f"{version_folder}/{WARMUP_FILE}"
    largest = 1
    if not tf.io.gfile.exists(path):
        return largest
    for record in tf.compat.v1.io.tf_record_iterator(path):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        sizes = [tensor.tensor_shape.dim[0].size for tensor in request.inputs.values() if tensor.tensor_shape.dim]
        largest = max([largest, *sizes])
    return largest
