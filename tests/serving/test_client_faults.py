"""Both clients before a real gRPC server that misbehaves."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from components.errors import ServingError
from serving.adaptive_limit import LimitOptions
from serving.channel import ChannelOptions
from serving.circuit_breaker import CircuitOptions
from serving.client import ClientOptions, SegmentationClient
from serving.retry import CircuitOpenError, RetryOptions
from serving.transport import CallError
from tests.serving.both_clients import KINDS, make_client
from tests.serving.faulty_server import HANG, FaultyServer

QUICK = RetryOptions(first_pause_seconds=0.01, longest_pause_seconds=0.2)

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def patches_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    "fault", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNAVAILABLE: The batch scheduling queue is full", "CANCELLED"]
)
def test_temporary_failures_do_not_show(kind: str, faulty: FaultyServer, fault: str) -> None:
    patches = patches_of(6)
    with make_client(kind, faulty.address, options=ClientOptions(patches_per_request=2, retry=QUICK)) as client:
        client.contract()
        faulty.faults.extend([fault] * 7)
        np.testing.assert_array_equal(client.predict_scores(patches), patches)
        assert len(faulty.asked) == 1 + 3 + 7  # the contract, three requests, and each failure once more


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "FAILED_PRECONDITION", "UNIMPLEMENTED"])
def test_what_would_fail_again_is_asked_once(kind: str, faulty: FaultyServer, code: str) -> None:
    with make_client(kind, faulty.address, options=ClientOptions(retry=QUICK)) as client:
        client.contract()
        faulty.faults.append(f"{code}: because")
        with pytest.raises(CallError, match=f"{faulty.address} answered {code}: because") as caught:
            client.predict_scores(patches_of(1))
        assert caught.value.code == code
        assert caught.value.remedy
        assert len(faulty.asked) == 2


def test_a_server_that_hangs_is_left_at_the_deadline(kind: str, faulty: FaultyServer) -> None:
    with make_client(kind, faulty.address, options=ClientOptions(timeout_seconds=0.3, retry=QUICK)) as client:
        client.contract()
        faulty.faults.append(HANG)
        with pytest.raises(CallError) as caught:
            client.predict_scores(patches_of(1))
        assert caught.value.code == "DEADLINE_EXCEEDED"


def test_a_missed_deadline_is_tried_again_where_asked_for(kind: str, faulty: FaultyServer) -> None:
    options = ClientOptions(timeout_seconds=0.5, retry=QUICK.model_copy(update={"after_deadline": True}))
    with make_client(kind, faulty.address, options=options) as client:
        client.contract()
        faulty.faults.append(HANG)
        patches = patches_of(1)
        np.testing.assert_array_equal(client.predict_scores(patches), patches)


def test_the_total_deadline_ends_all_tries(kind: str, faulty: FaultyServer) -> None:
    options = ClientOptions(total_seconds=1.0, retry=QUICK)
    with make_client(kind, faulty.address, options=options) as client:
        client.contract()
        faulty.faults.extend(["UNAVAILABLE"] * 10_000)
        started = time.monotonic()
        with pytest.raises(CallError):
            client.predict_scores(patches_of(1))
        assert 0.5 < time.monotonic() - started < 20
        assert len(faulty.asked) > 2


def test_a_scene_survives_a_restart_of_the_server(kind: str) -> None:
    """With a breaker that opens at the first failure: it must wait with the retries, not fail."""
    server = FaultyServer()
    options = ClientOptions(
        patches_per_request=1, retry=QUICK, circuit=CircuitOptions(failures_in_a_row=1, longest_pause_seconds=0.3)
    )
    patches = patches_of(60)
    with make_client(kind, server.address, options=options) as client, ThreadPoolExecutor(1) as thread:
        client.contract()
        server.faults.extend([0.02] * 1000)
        scene = thread.submit(client.predict_scores, patches)
        while len(server.asked) < 10:
            time.sleep(0.01)
        server.stop(grace=0)
        time.sleep(1.5)
        assert not scene.done()
        with FaultyServer(port=server.port) as second:
            np.testing.assert_array_equal(scene.result(60), patches)
            assert {version for _, version in second.asked} == {1}


def test_a_server_that_stops_answering_opens_the_circuit(kind: str, faulty: FaultyServer) -> None:
    options = ClientOptions(
        retry=RetryOptions(attempts=1),
        circuit=CircuitOptions(failures_in_a_row=2, first_pause_seconds=30, longest_pause_seconds=30),
    )
    with make_client(kind, faulty.address, options=options) as client:
        client.contract()
        faulty.faults.extend(["UNAVAILABLE: gone fishing"] * 2)
        for _ in range(2):
            with pytest.raises(CallError, match="gone fishing"):
                client.predict_scores(patches_of(1))
        with pytest.raises(CircuitOpenError, match=rf"{faulty.address} is not asked for the next .* s.*gone fishing"):
            client.predict_scores(patches_of(1))
        assert len(faulty.asked) == 3


def test_no_more_requests_than_allowed_are_in_flight(kind: str, faulty: FaultyServer) -> None:
    options = ClientOptions(concurrency=3, patches_per_request=1, limit=LimitOptions(adaptive=False))
    with make_client(kind, faulty.address, options=options) as client:
        faulty.faults.extend([0.02] * 30)
        client.predict_scores(patches_of(30))
        assert faulty.most_in_flight == 3


def test_the_limit_shrinks_before_a_full_server_and_the_scene_is_whole(kind: str) -> None:
    with FaultyServer(capacity=2) as server:
        options = ClientOptions(concurrency=16, patches_per_request=1, retry=QUICK, limit=LimitOptions(initial=16))
        with make_client(kind, server.address, options=options) as client:
            server.faults.extend([0.02] * 10_000)
            patches = patches_of(120)
            np.testing.assert_array_equal(client.predict_scores(patches), patches)
            assert server.refused > 0
            assert client.limit.limit < 16
            assert client.limit.in_flight == 0


def test_a_whole_scene_goes_to_the_labels_version_although_the_label_moves(kind: str, faulty: FaultyServer) -> None:
    faulty.versions, faulty.labels = {1: "AVAILABLE", 2: "AVAILABLE"}, {"stable": 1}
    with make_client(kind, faulty.address, label="stable") as client:
        client.predict_scores(patches_of(5))
        faulty.labels["stable"] = 2
        client.predict_scores(patches_of(5))
        assert {version for _, version in faulty.asked} == {1}
        assert client.repin()
        client.predict_scores(patches_of(5))
        assert client.version == faulty.asked[-1][1] == 2


@pytest.mark.parametrize("asked", [{}, {"version": 2}, {"label": "stable"}])
def test_readiness_is_waited_for(kind: str, faulty: FaultyServer, asked: dict[str, object]) -> None:
    faulty.health, faulty.versions = "NOT_SERVING", {2: "LOADING"}

    def become_ready() -> None:
        faulty.health = "SERVING"
        time.sleep(0.2)
        faulty.labels["stable"] = 2
        time.sleep(0.2)
        faulty.versions[2] = "AVAILABLE"

    with make_client(kind, faulty.address, **asked) as client:
        timer = threading.Timer(0.3, become_ready)
        timer.start()
        assert client.wait_until_ready(30) == 2
        timer.join()
        np.testing.assert_array_equal(client.predict_scores(patches_of(1)), patches_of(1))


def test_a_server_without_a_health_service_is_asked_for_its_versions(kind: str, faulty: FaultyServer) -> None:
    with make_client(kind, faulty.address) as client:
        assert client.wait_until_ready(30) == 1


def test_a_version_that_never_loads_is_told_with_its_reason(kind: str, faulty: FaultyServer) -> None:
    faulty.versions = {3: "END"}
    with (
        make_client(kind, faulty.address, version=3) as client,
        pytest.raises(ServingError, match=r"is not ready after 2 s: .*version 3: END broken"),
    ):
        client.wait_until_ready(2)


def test_an_unhealthy_server_is_told(kind: str, faulty: FaultyServer) -> None:
    faulty.health = "NOT_SERVING"
    with (
        make_client(kind, faulty.address) as client,
        pytest.raises(ServingError, match="says that it does not serve"),
    ):
        client.wait_until_ready(2)


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_big_messages_pass_with_every_compression(kind: str, faulty: FaultyServer, compression: str) -> None:
    patches = np.zeros((110_000, 4, 4, 3), np.uint8)  # 5.28 MB in one message, above gRPC's own 4 MiB
    options = ClientOptions(patches_per_request=110_000, channel=ChannelOptions(compression=compression))
    with make_client(kind, faulty.address, options=options) as client:
        assert client.predict_scores(patches).shape == patches.shape


def test_a_message_above_the_limit_is_refused_at_once_with_what_to_change(kind: str, faulty: FaultyServer) -> None:
    options = ClientOptions(patches_per_request=100, channel=ChannelOptions(max_message_bytes=2000))
    with make_client(kind, faulty.address, options=options) as client:
        with pytest.raises(CallError, match="larger than max") as caught:
            client.predict_scores(patches_of(100))
        assert "patches a request" in caught.value.remedy


def test_a_unix_socket_is_an_address(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    address = f"unix:{tmp_path_factory.mktemp('s')}/grpc.sock"
    with FaultyServer(address=address) as server, make_client(kind, server.address) as client:
        np.testing.assert_array_equal(client.predict_scores(patches_of(2)), patches_of(2))


def test_closing_ends_what_waits_and_what_runs(kind: str, faulty: FaultyServer) -> None:
    client = make_client(kind, faulty.address, options=ClientOptions(concurrency=2, patches_per_request=1))
    with ThreadPoolExecutor(1) as thread:
        with client:
            client.contract()
            faulty.faults.extend([HANG, "UNAVAILABLE"] + [HANG] * 8)
            scene = thread.submit(client.predict_scores, patches_of(6))
            while len(faulty.asked) < 3:
                time.sleep(0.01)
            started = time.monotonic()
        with pytest.raises(BaseException, match=r"closed|CANCELLED|^$"):  # the pool's CancelledError has no text
            scene.result(30)
        assert time.monotonic() - started < 20


def test_asking_a_closed_client_is_an_error_of_ours(kind: str, faulty: FaultyServer) -> None:
    if kind == "asyncio":
        pytest.skip("the loop of the face ends with the client")
    client = SegmentationClient(faulty.address)
    client.contract()
    client.close()
    with pytest.raises(CallError, match="is closed"):
        client._predict(patches_of(1), "scores_bytes")
