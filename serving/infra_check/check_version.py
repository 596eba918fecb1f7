"""Serves a model version on loopback, as production will, and asks it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components import contract
from components.publishing.warmup import write_warmup
from components.records.patch_example import parse_image_and_label
from components.records.record_format import RecordFormat
from serving.batching import BatchingOptions
from serving.embedded.options import ServerOptions
from serving.embedded.server import EmbeddedServer
from serving.infra_check.agreement import Agreement, compare_answers

CHECKED_PATCHES = 16
REQUEST_SECONDS = 120.0
_MESSAGE_BYTES = 2**31 - 1


def read_patches(files: list[str], record_format: RecordFormat, count: int) -> NDArray[Any]:
    """The images of some records, `(count or fewer, size, size, bands)`, spread over all files."""
    serialized = list(tf.data.TFRecordDataset(sorted(files)).as_numpy_iterator())
    chosen = serialized[:: max(1, len(serialized) // count)][:count]
    images, _ = parse_image_and_label(
        tf.constant(chosen), record_format.patch_size, len(record_format.bands), record_format.dtype
    )
    patches: NDArray[Any] = images.numpy()
    return patches


def warmup_sizes(batching: BatchingOptions) -> list[int]:
    """The batch sizes worth warming up: every allowed one, else one patch and a full batch."""
    if not batching.enabled:
        return [1]
    return list(batching.allowed_batch_sizes) or sorted({1, batching.execution_batch_size})


def check_version(
    saved_model: Path,
    model_name: str,
    batching: BatchingOptions,
    patches: NDArray[Any],
    logits: NDArray[np.float32],
    version_files: Path,
) -> Agreement:
    """Serves a SavedModel with its warm-up requests and compares its answers with the Keras model's.

    Each patch is a request of its own and all are sent at once, so that the server has to put batches together.

    Args:
        saved_model: The SavedModel's folder.
        model_name: The name it will be served under.
        batching: The settings it will be served with.
        patches: `(n, size, size, bands)` in the sensor's numbers.
        logits: `(n, size, size, K)`, the Keras model's on the same patches.
        version_files: Gets the warm-up requests, to be pushed with the version.

    Raises:
        ServingError: If the server does not take the model.
        grpc.RpcError: If it does not answer.
    """
    write_warmup(version_files, model_name, patches, warmup_sizes(batching))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / model_name
        shutil.copytree(saved_model, base / "1")
        shutil.copytree(version_files, base / "1", dirs_exist_ok=True)
        options = ServerOptions(
            port=0,
            model_name=model_name,
            model_base_path=str(base),
            batching=batching,
            max_num_load_retries=0,
            file_system_poll_wait_seconds=0,
        )
        with EmbeddedServer(options) as server:
            class_ids, scores = _ask(server.address, model_name, patches)
    return compare_answers(logits, class_ids, scores)


def _ask(address: str, model_name: str, patches: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    limits = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    with grpc.insecure_channel(address, options=limits) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        calls = []
        for patch in patches:
            request = predict_pb2.PredictRequest(output_filter=[contract.CLASS_IDS, contract.SCORES_BYTES])
            request.model_spec.name = model_name
            request.inputs[contract.IMAGE].CopyFrom(tf.make_tensor_proto(patch[None]))
            calls.append(stub.Predict.future(request, timeout=REQUEST_SECONDS))
        answers = [call.result() for call in calls]
    class_ids = np.concatenate([tf.make_ndarray(answer.outputs[contract.CLASS_IDS]) for answer in answers])
    scores = [
        np.frombuffer(answer.outputs[contract.SCORES_BYTES].string_val[0], np.uint8).reshape(*patches.shape[1:3], -1)
        for answer in answers
    ]
    return class_ids.astype(np.uint8), np.stack(scores)
