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
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.client import SegmentationClient
from serving.embedded.server import EmbeddedServer

EXPECTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}


@pytest.fixture(scope="module")
def stub(server: EmbeddedServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    proto = tensor_pb2.TensorProto(dtype=draw(st.integers(0, 130)))
    sides = st.sampled_from([-1, 0, 1, 2, 3, 15, 16, 17, 2**31, 2**62])
    for size in draw(st.lists(sides, max_size=6) | st.just([1, 16, 16, 3])):
        proto.tensor_shape.dim.add().size = size
    proto.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 9 + [True]))
    proto.tensor_content = draw(st.just(b"") | st.binary(max_size=8) | st.just(bytes(768)))
    proto.int_val.extend(draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)))
    proto.float_val.extend(draw(st.lists(st.floats(width=32), max_size=2)))
    proto.string_val.extend(draw(st.lists(st.binary(max_size=4), max_size=2)))
    return proto


def outcome_of(stub: Any, request: Any) -> str:
    try:
        stub.Predict(request, timeout=20)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@settings(max_examples=300)
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
    assert outcome_of(stub, request) in EXPECTED


@pytest.mark.parametrize("body", [b"\xff" * 9, b"\x0a\x05ab", bytes(1000)])
def test_bytes_that_are_no_message_are_refused(server: EmbeddedServer, body: bytes) -> None:
    with grpc.insecure_channel(server.address) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as caught:
            predict(body, timeout=20)
        assert caught.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)


def test_batch_mates_of_malformed_requests_are_unharmed(server: EmbeddedServer, stub: Any) -> None:
    stop = threading.Event()
    outcomes: set[str] = set()

    def disturb() -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "eoseg"
        proto = request.inputs["image"]
        proto.dtype = 1
        proto.float_val.append(1.0)
        for size in (1, 16, 16, 3):
            proto.tensor_shape.dim.add().size = size
        while not stop.is_set():
            outcomes.add(outcome_of(stub, request))

    nuisance = threading.Thread(target=disturb)
    nuisance.start()
    try:
        patches = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
        with SegmentationClient(server.address) as client:
            np.testing.assert_array_equal(client.predict_scores(patches), patches)
    finally:
        stop.set()
        nuisance.join()
    assert outcomes == {"INVALID_ARGUMENT"}


def test_cancelled_calls_leave_nothing_behind(server: EmbeddedServer, stub: Any, client: SegmentationClient) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "eoseg"
    calls = [stub.Predict.future(request, timeout=20) for _ in range(50)]
    for call in calls:
        call.cancel()
    assert client.predict_class_ids(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 16, 16)
