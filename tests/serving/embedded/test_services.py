"""The stock server's wire contract, asked over real gRPC: codes and texts of `shared/SERVING.md`."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.batching import BatchingOptions
from serving.embedded.server import EmbeddedServer
from serving.wire_messages import HEALTH_STATUS, message_class

SECONDS = 20


def save_half_plus(path: Path, constant: float) -> None:
    """A TensorFlow 1 model with Predict, Classify and Regress signatures: y = x / 2 + constant."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        x = v1.placeholder_with_default(
            tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"], [None, 1], name="x"
        )
        y = tf.identity(x * 0.5 + constant, name="y")
        info = v1.saved_model.utils.build_tensor_info
        build = v1.saved_model.signature_def_utils.build_signature_def
        labels = tf.identity(tf.strings.as_string(y), name="labels")
        signatures = {
            "serving_default": build({"x": info(x)}, {"y": info(y), "z": info(labels)}, "tensorflow/serving/predict"),
            "regress": build({"inputs": info(examples)}, {"outputs": info(y)}, "tensorflow/serving/regress"),
            "classify": build({"inputs": info(examples)}, {"scores": info(y)}, "tensorflow/serving/classify"),
            "labelled": build(
                {"inputs": info(examples)}, {"scores": info(y), "classes": info(labels)}, "tensorflow/serving/classify"
            ),
            "two_inputs": build({"inputs": info(examples), "x": info(x)}, {"outputs": info(y)}, "any"),
        }
        builder = v1.saved_model.builder.SavedModelBuilder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


class Wire:
    """Stubs of one server."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, values: Any = ((2.0,),), **changes: Any) -> Any:
        return self.prediction.Predict(predict_request(values, **changes), SECONDS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("half") / "m"
    for version in (1, 2):
        save_half_plus(base / f"{version:04d}", float(version))
    return base


@pytest.fixture(scope="module", params=["alone", "batched"])
def wire(
    base: Path, start: Callable[..., EmbeddedServer], request: pytest.FixtureRequest, tmp_path_factory: Any
) -> Iterator[Wire]:
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{base}" model_platform: "tensorflow"'
        " model_version_policy { all {} }"
        ' version_labels { key: "stable" value: 1 } } }'
    )
    server = start(
        base,
        model_config_file=str(config),
        allow_version_labels_for_unavailable_models=True,
        enable_grpc_healthcheck_service=True,
        batching=BatchingOptions(enabled=request.param == "batched", max_batch_size=8, allowed_batch_sizes=(2, 8)),
    )
    stubs = Wire(server.address)
    wait_until_all_serve(stubs, [1, 2])
    yield stubs
    stubs.channel.close()
    server.stop()


def wait_until_all_serve(wire: Wire, versions: list[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        entries = wire.model.GetModelStatus(status_request("m"), SECONDS).model_version_status
        if [e.version for e in entries if e.state == 30] == sorted(versions, reverse=True):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{versions} do not serve")


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


def fill_examples(source: Any, values: list[float], with_context: bool = False) -> None:
    examples = source.example_list_with_context if with_context else source.example_list
    if with_context and values:
        examples.context.features.feature["x"].float_list.value.append(values[0])
        for _ in values:
            examples.examples.add()
        return
    for value in values:
        examples.examples.add().features.feature["x"].float_list.value.append(value)


def classify(wire: Wire, signature: str, values: list[float]) -> Any:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    fill_examples(request.input, values)
    return wire.prediction.Classify(request, SECONDS)


def regress(wire: Wire, signature: str, values: list[float], with_context: bool = False) -> Any:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    fill_examples(request.input, values, with_context)
    return wire.prediction.Regress(request, SECONDS)


def test_classify_gives_scores_and_labels(wire: Wire) -> None:
    answer = classify(wire, "labelled", [2.0, 4.0])
    assert [[(c.label, c.score) for c in one.classes] for one in answer.result.classifications] == [
        [("3.000000", 3)],
        [("4.000000", 4)],
    ]
    assert answer.model_spec.signature_name == "labelled"
    assert classify(wire, "classify", [2.0]).result.classifications[0].classes[0].score == 3


def test_regress_gives_values_of_examples_and_their_context(wire: Wire) -> None:
    assert [r.value for r in regress(wire, "regress", [2.0, 4.0]).result.regressions] == [3, 4]
    assert [r.value for r in regress(wire, "regress", [6.0, 6.0], True).result.regressions] == [5, 5]


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (lambda w: classify(w, "s", [1.0]), "INVALID_ARGUMENT", "No signature was found with the name: s"),
        (lambda w: regress(w, "s", [1.0]), "INVALID_ARGUMENT", "No signature was found with the name: s"),
        (lambda w: classify(w, "classify", []), "INVALID_ARGUMENT", "Input is empty."),
        (lambda w: regress(w, "two_inputs", [1.0]), "INVALID_ARGUMENT", "Expected one input Tensor."),
        (lambda w: regress(w, "labelled", [1.0]), "INVALID_ARGUMENT", "Expected one output Tensor."),
    ],
)
def test_classify_and_regress_fail_as_the_stock_server_does(
    wire: Wire, call: Callable[[Wire], Any], code: str, text: str
) -> None:
    assert failure_of(lambda: call(wire)) == (code, text)


def multi_inference(wire: Wire, *tasks: tuple[str, str, str]) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for name, signature, method in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = name, signature
    fill_examples(request.input, [2.0])
    return wire.prediction.MultiInference(request, SECONDS)


def test_multi_inference_answers_every_task(wire: Wire) -> None:
    answer = multi_inference(wire, ("m", "regress", "regress"), ("m", "classify", "classify"))
    assert answer.results[0].regression_result.regressions[0].value == 3
    assert answer.results[1].classification_result.classifications[0].classes[0].score == 3
    assert [result.model_spec.signature_name for result in answer.results] == ["regress", "classify"]


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        (
            [("m", "regress", "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        (
            [("m", "regress", "regress"), ("q", "classify", "classify")],
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        ([("m", "regress", "regress")] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature: regress"),
        ([("m", "s", "regress")], "INVALID_ARGUMENT", "Requested signature not found in model graph: s"),
    ],
)
def test_multi_inference_fails_as_the_stock_server_does(wire: Wire, tasks: list, code: str, text: str) -> None:
    assert failure_of(lambda: multi_inference(wire, *tasks)) == (code, text)


def metadata(wire: Wire, *fields: str) -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "m"
    return wire.prediction.GetModelMetadata(request, SECONDS)


def test_metadata_holds_all_signatures(wire: Wire) -> None:
    answer = metadata(wire, "signature_def")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "regress", "classify"}
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (2, "")


def test_metadata_fails_as_the_stock_server_does(wire: Wire) -> None:
    assert failure_of(lambda: metadata(wire)) == (
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    assert failure_of(lambda: metadata(wire, "foo")) == ("INVALID_ARGUMENT", "Metadata field foo is not supported")


def test_status_lists_versions_from_the_highest(wire: Wire) -> None:
    entries = wire.model.GetModelStatus(status_request("m"), SECONDS).model_version_status
    assert [(entry.version, entry.state, entry.status.error_code) for entry in entries] == [(2, 30, 0), (1, 30, 0)]
    (one,) = wire.model.GetModelStatus(status_request("m", 1), SECONDS).model_version_status
    assert one.version == 1


def test_status_fails_as_the_stock_server_does(wire: Wire) -> None:
    assert failure_of(lambda: wire.model.GetModelStatus(status_request("q"), SECONDS)) == (
        "NOT_FOUND",
        "Could not find any versions of model q",
    )
    assert failure_of(lambda: wire.model.GetModelStatus(status_request("m", 3), SECONDS)) == (
        "NOT_FOUND",
        "Could not find version 3 of model m",
    )


def test_health_is_served(wire: Wire) -> None:
    request, response = (message_class(f"grpc.health.v1.HealthCheck{kind}") for kind in ("Request", "Response"))
    check = wire.channel.unary_unary("/grpc.health.v1.Health/Check", request.SerializeToString, response.FromString)
    for name in ("", "PredictionService", "ModelService"):
        assert check(request(service=name), timeout=SECONDS).status == HEALTH_STATUS["SERVING"]
    assert failure_of(lambda: check(request(service="nobody"), timeout=SECONDS))[0] == "NOT_FOUND"


def test_messages_of_many_megabytes_are_received(wire: Wire) -> None:
    # 8 MB; this client keeps gRPC's own limit of 4 MiB for what it receives itself.
    code, text = failure_of(lambda: wire.predict(np.zeros((2_000_000, 1), np.float32), outputs=["y"]))
    assert (code, "CLIENT: Receiv" in text) == ("RESOURCE_EXHAUSTED", True) or "Task size 2000000" in text


def test_a_failed_request_is_one_line_without_the_payload(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "serving.embedded.failures"):
        failure_of(lambda: wire.predict([[123456.0]], signature="s"))
    (record,) = caplog.records
    line = json.loads(record.getMessage())
    assert (line["method"], line["model"], line["code"]) == ("Predict", "m", "FAILED_PRECONDITION")
    assert "123456" not in record.getMessage()


def reload_request(*models: tuple[str, Path], labels: dict[str, int] | None = None) -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    for name, base_path in models:
        entry = request.config.model_config_list.config.add(name=name, base_path=str(base_path))
        entry.model_platform = "tensorflow"
        entry.version_labels.update(labels or {})
    return request


def test_a_reload_serves_what_it_lists_and_moves_labels(base: Path, start: Callable[..., EmbeddedServer]) -> None:
    server = start(base, model_name="m", file_system_poll_wait_seconds=0.05)
    wire = Wire(server.address)

    def reload(*models: tuple[str, Path], labels: dict[str, int] | None = None) -> tuple[int, str]:
        status = wire.model.HandleReloadConfigRequest(reload_request(*models, labels=labels), SECONDS).status
        return status.error_code, status.error_message

    assert reload(("m", base), ("other", base)) == (0, "")
    assert list(wire.predict(name="other", outputs=["y"]).outputs["y"].float_val) == [3]
    assert reload(("m", base), ("m", base))[0] == 3
    assert reload(("m", Path("relative")))[0] == 3
    code, text = reload(("m", base), labels={"canary": 9})
    assert (code, text) == (
        9,
        "Request to assign label to version 9 of model m, which is not currently available for inference",
    )
    assert reload(("m", base), labels={"canary": 2}) == (0, "")
    assert wire.predict(label="canary").model_spec.version.value == 2
    assert reload(("other", base)) == (0, "")
    wait_until_refused(wire.predict, "NOT_FOUND")
    wire.channel.close()
    server.stop()


def wait_until_refused(call: Callable[[], Any], code: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            call()
        except grpc.RpcError as error:
            if error.code().name == code:
                return
        time.sleep(0.02)
    raise TimeoutError
