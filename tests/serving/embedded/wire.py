"""What the tests of the embedded server ask over real gRPC: stubs, requests, and how they fail."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

SECONDS = 20


class Wire:
    """Stubs of one server."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, values: Any = ((2.0,),), **changes: Any) -> Any:
        return self.prediction.Predict(predict_request(values, **changes), SECONDS)

    def states(self, name: str) -> dict[int, str]:
        """Version -> state, of all that the server knows of a model."""
        entries = self.model.GetModelStatus(status_request(name), SECONDS).model_version_status
        named = get_model_status_pb2.ModelVersionStatus.State.Name
        return {entry.version: named(entry.state) for entry in entries}


def predict_request(values: Any = ((2.0,),), **changes: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = changes.get("name", "m")
    if "version" in changes:
        request.model_spec.version.value = changes["version"]
    if "label" in changes:
        request.model_spec.version_label = changes["label"]
    request.model_spec.signature_name = changes.get("signature", "")
    request.output_filter.extend(changes.get("outputs", ()))
    inputs = changes.get("inputs", {"x": np.array(values, np.float32)})
    for alias, value in inputs.items():
        proto = value if isinstance(value, Message) else tf.make_tensor_proto(value)
        request.inputs[alias].CopyFrom(proto)
    return request


def status_request(name: str, version: int | None = None) -> Any:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def failure_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds; what the server refuses meanwhile counts as not yet."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE):
                raise
        time.sleep(0.02)
    raise TimeoutError(f"it did not happen within {SECONDS} s")
