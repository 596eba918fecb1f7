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
