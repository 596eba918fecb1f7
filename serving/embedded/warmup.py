"""Warm-up: the requests stored beside a version run before it serves, so that no caller pays for first runs."""

import itertools
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.embedded.inference import classify, multi_inference, regress
from serving.embedded.loaded_version import LoadedVersion
from serving.embedded.predict import predict
from serving.embedded.status import Code, StatusError, invalid_argument

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
_MAX_RECORDS = 1000


def warm_up(model: LoadedVersion, path: str, iterations: int = 1) -> int:
    """Runs a version's warm-up requests, if it has any.

    Args:
        model: The loaded version.
        path: Its directory.
        iterations: How often each request is run; below 1 counts as 1.

    Returns:
        How many requests ran.

    Raises:
        StatusError: If the file cannot be read, holds more than 1000 records, or a request fails.
    """
    file = f"{path}/{WARMUP_FILE}"
    if not tf.io.gfile.exists(file):
        return 0
    count = 0
    try:
        for record in itertools.islice(tf.compat.v1.io.tf_record_iterator(file), _MAX_RECORDS + 1):
            if count == _MAX_RECORDS:
                raise invalid_argument(
                    f"Number of warmup records exceeeds the maximum ({_MAX_RECORDS}) at {file}"  # sic
                )
            log = prediction_log_pb2.PredictionLog()
            log.ParseFromString(record)
            for _ in range(max(1, iterations)):
                _replay(model, log)
            count += 1
    except tf.errors.OpError as error:
        raise StatusError(
            Code(error.error_code),
            f"{error.message} Please verify the integrity of warmup file {file} (TFRecords of PredictionLog)",
        ) from error
    return count


def _replay(model: LoadedVersion, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict(model.signatures, model, log.predict_log.request, model.version)
    elif kind == "classify_log":
        classify(model.signatures, model, log.classify_log.request, model.version)
    elif kind == "regress_log":
        regress(model.signatures, model, log.regress_log.request, model.version)
    elif kind == "multi_inference_log":
        multi_inference(model.signatures, model, log.multi_inference_log.request, model.version)
    else:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
