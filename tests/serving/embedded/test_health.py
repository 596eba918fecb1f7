"""The health service answers while every worker is busy, and its watchers hold up nobody."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.batching import BatchingOptions
from serving.embedded.health import Health
from serving.embedded.server import EmbeddedServer
from serving.wire_messages import HEALTH_STATUS, message_class

REQUEST, RESPONSE = (message_class(f"grpc.health.v1.HealthCheck{kind}") for kind in ("Request", "Response"))


class Probe:
    def __init__(self, channel: Any) -> None:
        codecs = {"request_serializer": REQUEST.SerializeToString, "response_deserializer": RESPONSE.FromString}
        self.check = channel.unary_unary("/grpc.health.v1.Health/Check", **codecs)
        self.watch = channel.unary_stream("/grpc.health.v1.Health/Watch", **codecs)


@pytest.fixture
def served(model_base: Path, start: Callable[..., EmbeddedServer]) -> Iterator[tuple[EmbeddedServer, Any]]:
    server = start(
        model_base,
        enable_grpc_healthcheck_service=True,
        grpc_max_threads=1,
        batching=BatchingOptions(max_batch_size=8, batch_timeout_micros=1_500_000),
    )
    with grpc.insecure_channel(server.address) as channel:
        yield server, channel
    server.stop()


def test_probes_are_answered_while_the_only_worker_is_busy(served: tuple[EmbeddedServer, Any]) -> None:
    _, channel = served
    request = predict_pb2.PredictRequest(output_filter=["class_ids"])
    request.model_spec.name = "eoseg"
    request.inputs["image"].CopyFrom(tensor_pb2.TensorProto(dtype=4, tensor_content=bytes(768)))
    for size in (1, 16, 16, 3):
        request.inputs["image"].tensor_shape.dim.add().size = size
    waiting = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict.future(request, timeout=20)
    time.sleep(0.2)  # it waits in its batch for company
    assert Probe(channel).check(REQUEST(), timeout=1).status == HEALTH_STATUS["SERVING"]
    assert not waiting.done()
    assert waiting.result(20).model_spec.version.value == 1


def test_watchers_hold_no_worker_and_hear_of_the_end(served: tuple[EmbeddedServer, Any]) -> None:
    server, channel = served
    probe = Probe(channel)
    watchers = [probe.watch(REQUEST(service=name)) for name in ("", "PredictionService", "ModelService") * 3]
    assert {next(watcher).status for watcher in watchers} == {HEALTH_STATUS["SERVING"]}
    stranger = probe.watch(REQUEST(service="nobody"))
    assert next(stranger).status == HEALTH_STATUS["SERVICE_UNKNOWN"]
    gone = probe.watch(REQUEST())
    assert next(gone).status == HEALTH_STATUS["SERVING"]
    gone.cancel()
    assert probe.check(REQUEST(service="PredictionService"), timeout=5).status == HEALTH_STATUS["SERVING"]
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 20  # no watcher is waited for, which would take the 30 s of a drain
    assert [[answer.status for answer in watcher] for watcher in watchers] == [[HEALTH_STATUS["NOT_SERVING"]]] * 9
    assert list(stranger) == []


def test_who_asks_while_the_server_ends_hears_of_the_end_too() -> None:
    health = Health()
    health._watch.end()
    heard: list[Any] = []
    health._watch(REQUEST(service="PredictionService"), None, heard.append)
    assert [None if answer is None else answer.status for answer in heard] == [
        HEALTH_STATUS["SERVING"],
        HEALTH_STATUS["NOT_SERVING"],
        None,
    ]
