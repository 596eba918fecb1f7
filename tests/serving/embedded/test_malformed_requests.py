"""Whatever a request holds, the server answers with a code of its contract and goes on."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.batching import BatchingOptions
from serving.client import SegmentationClient
from serving.embedded.server import EmbeddedServer
from tests.serving.embedded.wire import Wire

EXPECTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
UNREADABLE = {"INTERNAL"}  # gRPC's own, for bytes that are no message


@pytest.fixture(scope="module")
def stub(server: EmbeddedServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    proto = tensor_pb2.TensorProto(dtype=draw(st.integers(0, 130)))
    sides = st.sampled_from([-1, 0, 1, 2, 3, 15, 16, 17, 2**20, 2**31, 2**62])
    ranks = st.lists(sides, max_size=6) | st.just([1, 16, 16, 3]) | st.just([1] * 40) | st.just([0, 2**62])
    for size in draw(ranks):
        proto.tensor_shape.dim.add().size = size
    proto.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 9 + [True]))
    proto.tensor_content = draw(st.just(b"") | st.binary(max_size=8) | st.just(bytes(768)))
    proto.int_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)))
    proto.float_val.extend(draw(st.lists(st.floats(width=32), max_size=2)))
    proto.string_val.extend(draw(st.lists(st.binary(max_size=4), max_size=2)))
    return proto


def outcome_of(call: Any, request: Any) -> str:
    try:
        call(request, timeout=20)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@settings(max_examples=400)
@given(
    st.dictionaries(st.sampled_from(["image", "query", "", "x"]), tensors(), max_size=2),
    st.sampled_from(["", "serving_default", "describe", "nope", "__saved_model_init_op"]),
    st.lists(st.sampled_from(["scores", "class_ids", "nope", ""]), max_size=2),
)
def test_random_requests_get_a_code_of_the_contract(
    stub: Any, inputs: dict[str, Any], signature: str, outputs: list[str]
) -> None:
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = "eoseg", signature
    for alias, proto in inputs.items():
        request.inputs[alias].CopyFrom(proto)
    assert outcome_of(stub.Predict, request) in EXPECTED


METHODS = {
    "Predict": predict_pb2.PredictRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
}


@settings(max_examples=300)
@given(st.sampled_from(sorted(METHODS)), st.binary(max_size=200), st.data())
def test_bytes_of_any_kind_get_a_code_of_the_contract(
    wire: Wire, method: str, noise: bytes, data: st.DataObject
) -> None:
    message = METHODS[method]()
    if method == "MultiInference":
        message.tasks.add(method_name="tensorflow/serving/regress").model_spec.name = "m"
    else:
        message.model_spec.name = "m"
    valid = message.SerializeToString()
    cut = data.draw(st.integers(0, len(valid)))
    body = data.draw(st.sampled_from([noise, valid + noise, valid[:cut] + noise, noise + valid]))
    call = wire.channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
    assert outcome_of(call, body) in EXPECTED | UNREADABLE


def test_a_few_bytes_cannot_ask_for_gigabytes(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "eoseg"
    proto = request.inputs["image"]
    proto.dtype = 4
    proto.int_val.append(7)  # one value stands for all of them
    for size in (10_000, 16, 16, 1000):
        proto.tensor_shape.dim.add().size = size
    assert outcome_of(stub.Predict, request) == "INVALID_ARGUMENT"


def test_batch_mates_of_malformed_requests_are_unharmed(server: EmbeddedServer, stub: Any) -> None:
    stop = threading.Event()
    outcomes: set[str] = set()

    def disturb(dtype: int, *shape: int) -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "eoseg"
        proto = request.inputs["image"]
        proto.dtype = dtype
        (proto.float_val if dtype == 1 else proto.int_val).append(1)
        for size in shape:
            proto.tensor_shape.dim.add().size = size
        while not stop.is_set():
            outcomes.add(outcome_of(stub.Predict, request))

    nuisances = [
        threading.Thread(target=disturb, args=arguments)
        for arguments in ((1, 1, 16, 16, 3), (4, 1, 16, 16, 3, 1), (4, 16), (4, 0, 16, 16, 3))
    ]
    for nuisance in nuisances:
        nuisance.start()
    try:
        patches = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
        with SegmentationClient(server.address) as client:
            np.testing.assert_array_equal(client.predict_scores(patches), patches)
    finally:
        stop.set()
        for nuisance in nuisances:
            nuisance.join()
    assert outcomes <= {"INVALID_ARGUMENT", "OK"}  # no rows at all are answered with no rows
    assert "INVALID_ARGUMENT" in outcomes


def test_cancelled_calls_leave_nothing_behind(server: EmbeddedServer, stub: Any, client: SegmentationClient) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "eoseg"
    calls = [stub.Predict.future(request, timeout=20) for _ in range(50)]
    for call in calls:
        call.cancel()
    assert client.predict_class_ids(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 16, 16)


def test_more_requests_than_may_wait_are_refused_and_the_others_answered(model_base: Any, start: Any) -> None:
    server = start(
        model_base, grpc_max_threads=1, batching=BatchingOptions(max_batch_size=8, batch_timeout_micros=500_000)
    )
    request = predict_pb2.PredictRequest(output_filter=["class_ids"])
    request.model_spec.name = "eoseg"
    request.inputs["image"].CopyFrom(tensor_pb2.TensorProto(dtype=4, tensor_content=bytes(768)))
    for size in (1, 16, 16, 3):
        request.inputs["image"].tensor_shape.dim.add().size = size
    with grpc.insecure_channel(server.address) as channel:
        call = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        running = [call.future(request, timeout=3) for _ in range(90)]
        codes = [future.code().name for future in running]
    server.stop()
    assert codes.count("RESOURCE_EXHAUSTED") >= 90 - 65  # one runs, 64 wait
    assert codes[0] == "OK"
