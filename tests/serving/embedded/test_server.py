"""The embedded server as an object: versions swap under load, warm-up, ports, draining."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc

from components import contract
from components.errors import ServingError
from serving.batching import BatchingOptions
from serving.client import ClientOptions, SegmentationClient, image_tensor
from serving.embedded.options import ServerOptions
from serving.embedded.server import EmbeddedServer
from serving.transport import CallError
from tests.serving.embedded.make_models import save_half_plus
from tests.serving.embedded.wire import Wire, predict_request

Export = Callable[..., Path]
Start = Callable[..., EmbeddedServer]


@pytest.mark.parametrize("batching", [BatchingOptions(enabled=False), BatchingOptions(max_batch_size=8)])
def test_no_request_is_lost_or_wrong_while_versions_come_and_go(
    tmp_path: Path, export: Export, start: Start, batching: BatchingOptions
) -> None:
    base, staging = tmp_path / "m", tmp_path / "staging"
    export(base / "1", bias=1)
    for version in (2, 3):
        export(staging / str(version), bias=version)
    server = start(base, file_system_poll_wait_seconds=0.05, batching=batching)
    patches = np.full((1, 16, 16, 3), 100, np.uint8)
    stop = threading.Event()
    seen: set[int] = set()

    def ask() -> int:
        asked = 0
        with grpc.insecure_channel(server.address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = predict_pb2.PredictRequest(output_filter=[contract.SCORES_BYTES])
            request.model_spec.name = "eoseg"
            request.inputs[contract.IMAGE].CopyFrom(image_tensor(patches))
            while not stop.is_set():
                answer = stub.Predict(request, 20)
                version = answer.model_spec.version.value
                scores = np.frombuffer(answer.outputs[contract.SCORES_BYTES].string_val[0], np.uint8)
                assert (scores == 100 + version).all()
                seen.add(version)
                asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(4)]
        for version in (2, 3):
            time.sleep(0.3)
            (staging / str(version)).rename(base / str(version))
            wait_for(lambda version=version: version in seen)
        (base / "3").rename(staging / "3")  # rolled back
        seen.discard(2)
        wait_for(lambda: 2 in seen)
        stop.set()
        assert all(asker.result(20) > 0 for asker in askers)
    assert seen >= {1, 2, 3}
    server.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.01)


def write_warmup(version: Path, patch_size: int, count: int = 2) -> None:
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for size in range(1, count + 1):
            request = predict_pb2.PredictRequest(output_filter=[contract.CLASS_IDS_BYTES])
            request.model_spec.name = "eoseg"
            request.inputs[contract.IMAGE].CopyFrom(image_tensor(np.zeros((size, patch_size, patch_size, 3), np.uint8)))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def test_warm_up_requests_run_before_a_version_serves(tmp_path: Path, export: Export, start: Start) -> None:
    write_warmup(export(tmp_path / "m" / "1"), patch_size=16)
    server = start(tmp_path / "m", batching=BatchingOptions(max_batch_size=4))
    server.stop()


@pytest.mark.parametrize("damage", ["too large for the batch", "no TFRecord", "a wrong signature"])
def test_a_warm_up_that_fails_fails_the_load(tmp_path: Path, export: Export, start: Start, damage: str) -> None:
    version = export(tmp_path / "m" / "1")
    write_warmup(version, patch_size=16, count=6 if "large" in damage else 1)
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    if damage == "no TFRecord":
        file.write_bytes(b"what is this")
    if damage == "a wrong signature":
        with tf.io.TFRecordWriter(str(file)) as writer:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.model_spec.name = "eoseg"
            log.predict_log.request.model_spec.signature_name = "nope"
            writer.write(log.SerializeToString())
    with pytest.raises(ServingError, match="did not become available"):
        start(tmp_path / "m", batching=BatchingOptions(max_batch_size=4))
    start(tmp_path / "m", enable_model_warmup=False).stop()


def test_each_version_may_bring_its_own_batching(tmp_path: Path, export: Export, start: Start) -> None:
    version = export(tmp_path / "m" / "1")
    options = {"batching": BatchingOptions(max_batch_size=2), "enable_per_model_batching_parameters": True}
    five = np.zeros((5, 16, 16, 3), np.uint8)
    for text, limit in ((None, None), ("max_batch_size { value: 4 }", 4)):
        if text is not None:
            (version / "batching_params.pbtxt").write_text(text)
        server = start(tmp_path / "m", **options)
        with SegmentationClient(server.address, options=ClientOptions(patches_per_request=5)) as client:
            if limit is None:
                assert len(client.predict_scores(five)) == 5  # no file: no batching, so no limit
            else:
                with pytest.raises(CallError, match="Task size 5 is larger than maximum input batch size 4"):
                    client.predict_scores(five)
        server.stop()


def test_a_model_that_cannot_be_loaded_is_one_clear_error(tmp_path: Path, start: Start) -> None:
    (tmp_path / "1").mkdir()
    with pytest.raises(ServingError, match="Could not find SavedModel") as caught:
        start(tmp_path)
    assert str(tmp_path) in caught.value.remedy
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(ServingError, match="Failed to start server"):
        start(tmp_path)


def test_a_taken_port_is_one_clear_error(server: EmbeddedServer, model_base: Path, start: Start) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(ServingError, match="cannot be opened") as caught:
        start(model_base, port=port)
    assert "--port" in caught.value.remedy


def test_the_server_listens_on_loopback_and_on_a_socket_if_asked(
    model_base: Path, start: Start, tmp_path: Path
) -> None:
    socket = tmp_path / "s.sock"
    server = start(model_base, grpc_socket_path=str(socket))
    assert server.address.startswith("127.0.0.1:")
    with SegmentationClient(f"unix:{socket}") as client:
        assert client.version == 1
    server.stop()


def test_running_requests_finish_when_the_server_stops(model_base: Path, start: Start) -> None:
    server = start(model_base, batching=BatchingOptions(max_batch_size=8, batch_timeout_micros=500_000))
    patches = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    options = ClientOptions(timeout_seconds=20)
    with SegmentationClient(server.address, options=options) as client:
        future = client.submit_scores(patches)  # waits half a second for company
        time.sleep(0.2)
        server.stop()
        np.testing.assert_array_equal(future.result(20), patches)


def test_a_request_whose_deadline_passes_is_given_up(model_base: Path, start: Start) -> None:
    server = start(model_base, batching=BatchingOptions(max_batch_size=8, batch_timeout_micros=800_000))
    with SegmentationClient(server.address) as client:
        client.contract()
        hasty = SegmentationClient(server.address, version=1, options=ClientOptions(timeout_seconds=0.1))
        hasty._contract = client.contract()
        with pytest.raises(CallError) as caught:
            hasty.predict_scores(np.zeros((1, 16, 16, 3), np.uint8))
        assert caught.value.code == "DEADLINE_EXCEEDED"
        hasty.close()
    server.stop()


def test_threads_end_with_the_server(model_base: Path, start: Start) -> None:
    def ours() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name.startswith(("batch-", "version-", "grpc-worker"))]

    before = ours()
    for _ in range(3):
        start(model_base, batching=BatchingOptions()).stop()
    wait_for(lambda: len(ours()) <= len(before))


def test_options_that_serve_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to serve"):
        ServerOptions()
    with pytest.raises(ValueError, match="absolute path"):
        ServerOptions(model_base_path="models")


def test_a_server_that_waits_for_its_first_version_stops_when_told_to(tmp_path: Path) -> None:
    server = EmbeddedServer(ServerOptions(model_base_path=str(tmp_path), port=0))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        time.sleep(0.3)
        assert not started.done()
        server.stop()
        assert started.result(5) == ""


def test_a_request_that_does_not_end_is_cancelled_after_the_drain(tmp_path: Path, start: Start) -> None:
    save_half_plus(tmp_path / "m" / "1", 1.0)
    options = BatchingOptions(max_batch_size=8, batch_timeout_micros=60_000_000)
    server = start(tmp_path / "m", model_name="m", batching=options, drain_seconds=0.2)
    wire = Wire(server.address)
    waiting = wire.prediction.Predict.future(predict_request(name="m"), 30)
    time.sleep(0.3)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 8
    with pytest.raises(grpc.RpcError):
        waiting.result(5)


def test_warm_up_requests_run_as_often_as_asked(tmp_path: Path, export: Export, start: Start) -> None:
    write_warmup(export(tmp_path / "m" / "1"), patch_size=16, count=2)
    server = start(tmp_path / "m", batching=BatchingOptions(max_batch_size=4), num_request_iterations_for_warmup=3)
    assert ":tensorflow:serving:batching_session:wrapped_run_count{} 6" in server._host.metrics.exposition()
    server.stop()
