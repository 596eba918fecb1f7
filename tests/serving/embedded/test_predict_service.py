"""PredictionService.Predict over real gRPC: codes and texts of the stock server's wire contract."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from tests.serving.embedded.wire import SECONDS, Wire, failure_of


def test_outputs_come_in_typed_fields_with_the_spec_that_answered(wire: Wire) -> None:
    answer = wire.predict([[2.0], [4.0]])
    assert list(answer.outputs["y"].float_val) == [3, 4]
    assert list(answer.outputs["z"].string_val) == [b"3.000000", b"4.000000"]
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [2, 1]
    assert not answer.outputs["y"].tensor_content
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 2, "serving_default")


def test_versions_labels_and_filters_are_honoured(wire: Wire) -> None:
    assert list(wire.predict(version=1).outputs["y"].float_val) == [2]
    labelled = wire.predict(label="stable", outputs=["y"])
    assert list(labelled.outputs) == ["y"]
    assert labelled.model_spec.version.value == 1
    assert labelled.model_spec.WhichOneof("version_choice") == "version"


def malformed_tensor() -> Any:
    proto = tf.make_tensor_proto([1.0])
    proto.tensor_content = b"123"
    return proto


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"name": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"name": "q"}, "NOT_FOUND", "Servable not found for request: Latest(q)"),
        ({"version": 9}, "NOT_FOUND", "Servable not found for request: Specific(m, 9)"),
        ({"label": "canary"}, "INVALID_ARGUMENT", "Unrecognized servable version label: canary"),
        ({"signature": "s"}, "FAILED_PRECONDITION", 'Serving signature key "s" not found.'),
        (
            {"inputs": {}},
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
        ),
        (
            {"inputs": {"x": 1.0, "a": 1.0}},
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({a,x}) != len({x}). Sent extra: {a}. "
            "Missing but required: {}.",
        ),
        (
            {"inputs": {"zz": 1.0}},
            "INVALID_ARGUMENT",
            "Signature input alias: x(feed name: x:0) not found in request and no default value provided. "
            "Inputs expected to be in the request {zz}, or default input alias set: ",
        ),
        ({"inputs": {"x": malformed_tensor()}}, "INVALID_ARGUMENT", "tensor parsing error: x"),
        (
            {"outputs": ["q"]},
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: q Outputs expected to be in the set {y,z}.",
        ),
        ({"outputs": ["y", "y"]}, "INVALID_ARGUMENT", "duplicate output tensor alias: y"),
    ],
)
def test_predict_fails_as_the_stock_server_does(wire: Wire, changes: dict, code: str, text: str) -> None:
    assert failure_of(lambda: wire.predict(**changes)) == (code, text)


def test_a_wrong_dtype_gets_the_sessions_own_error(wire: Wire) -> None:
    code, text = failure_of(lambda: wire.predict(inputs={"x": np.array([[1]], np.uint8)}))
    assert code == "INVALID_ARGUMENT"
    assert "uint8" in text


def test_no_model_spec_is_refused(wire: Wire) -> None:
    for call, request in (
        (wire.prediction.Predict, predict_pb2.PredictRequest()),
        (wire.prediction.Classify, classification_pb2.ClassificationRequest()),
        (wire.prediction.GetModelMetadata, get_model_metadata_pb2.GetModelMetadataRequest()),
        (wire.model.GetModelStatus, get_model_status_pb2.GetModelStatusRequest()),
    ):
        assert failure_of(lambda call=call, request=request: call(request, SECONDS)) == (
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
        )


def test_messages_of_many_megabytes_are_received(wire: Wire) -> None:
    # 8 MB; this client keeps gRPC's own limit of 4 MiB for what it receives itself.
    code, text = failure_of(lambda: wire.predict(np.zeros((2_000_000, 1), np.float32), outputs=["y"]))
    assert (code, "CLIENT: Receiv" in text) == ("RESOURCE_EXHAUSTED", True) or "Task size 2000000" in text


def test_messages_are_cut_where_the_stock_server_cuts_them(wire: Wire) -> None:
    _, text = failure_of(lambda: wire.predict(signature="s" * 2000))
    assert text == ('Serving signature key "' + "s" * 2000)[:1024] + "...TRUNCATED"


def test_of_version_and_label_the_last_on_the_wire_wins(wire: Wire) -> None:
    answer = wire.predict(version=2, label="stable", outputs=["y"])
    assert answer.model_spec.version.value == 1


def test_the_signatures_shape_is_not_held_against_a_tensor(wire: Wire) -> None:
    answer = wire.predict(inputs={"x": np.array([2.0, 4.0, 6.0], np.float32)}, outputs=["y"])
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [3]
    assert list(answer.outputs["y"].float_val) == [3, 4, 5]


def test_no_rows_are_answered_with_no_rows(wire: Wire) -> None:
    answer = wire.predict(np.zeros((0, 1), np.float32), outputs=["y"])
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [0, 1]
