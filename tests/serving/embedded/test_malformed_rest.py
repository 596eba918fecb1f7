"""Whatever comes over HTTP, the server answers with a status of its contract, or ends the connection, and goes on."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.deploy.start_server import free_port
from serving.embedded.server import EmbeddedServer
from tests.serving.embedded.make_models import save_kinds

NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.just(10**400)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.just("\ud800") | st.just({"b64": "aGk="})
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, start: Callable[..., EmbeddedServer]
) -> Iterator[tuple[str, int]]:
    folder = tmp_path_factory.mktemp("rest")
    save_kinds(folder / "m" / "1")
    port = free_port()
    server = start(folder / "m", model_name="m", rest_api_port=port)
    yield "127.0.0.1", port
    server.stop()


def send(address: tuple[str, int], data: bytes, half_close: bool = True) -> bytes:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
        return answer


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", *headers]
    if not any(header.startswith("Transfer-Encoding") for header in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def is_served(address: tuple[str, int]) -> bool:
    answer = send(address, post("/v1/models/m:predict", b'{"instances": [{"a": 1, "b": 2}]}'))
    return answer.endswith(b'{\n    "predictions": [3.0\n    ]\n}')


@settings(max_examples=300)
@given(
    st.sampled_from(["predict", "classify", "regress"]),
    st.fixed_dictionaries(
        {},
        optional={
            "instances": VALUES,
            "inputs": VALUES,
            "examples": VALUES,
            "context": VALUES,
            "signature_name": st.sampled_from(["string", "int64", "uint8", "float64", "bool", "uint64", "nope", 3]),
        },
    ),
)
def test_random_documents_are_answered_or_refused(address: tuple[str, int], verb: str, document: Any) -> None:
    body = json.dumps(document).encode()
    answer = send(address, post(f"/v1/models/m:{verb}", body))
    assert status_of(answer) in (200, 400, 404, 501), answer
    json.loads(answer.partition(b"\r\n\r\n")[2])


@settings(max_examples=150)
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_end_at_worst_the_connection(address: tuple[str, int], noise: bytes, in_body: bool) -> None:
    data = post("/v1/models/m:predict", noise) if in_body else noise
    assert status_of(send(address, data)) in (0, 200, 400, 404, 405, 408, 414, 431, 501, 505)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"instances":' + b"[" * 300 + b"1" + b"]" * 300 + b"}", 400),
        (b'{"instances":' + b"[" * 950 + b"]" * 950 + b"}", 400),
        (b'{"instances":' + b"[" * 60 + b"1" + b"]" * 60 + b"}", 400),
        (b'{"inputs": {"a": [1e999], "b": [1]}}', 200),
        (b'{"inputs": {"a": [' + b"9" * 5000 + b'], "b": [1]}}', 400),
        (b'{"inputs": {"a": "' + b"x" * 5_000_000 + b'"}}', 400),
        (b'\xff\xfe{"inputs": 1}', 400),
        (b"", 400),
    ],
)
def test_documents_at_the_edge(address: tuple[str, int], body: bytes, status: int) -> None:
    answer = send(address, post("/v1/models/m:predict", body))
    assert status_of(answer) == status, answer[:2000]
    assert len(answer) < 10_000  # what is refused is not sent back whole
    assert is_served(address)


GOOD = b'{"instances": [{"a": 1, "b": 2}]}'


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (
            post(
                "/v1/models/m:predict",
                b"5\r\n" + GOOD[:5] + b"\r\n1C;ext=1\r\n" + GOOD[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n",
                "Transfer-Encoding: chunked",
            ),
            200,
        ),
        (post("/v1/models/m:predict", b"zz\r\n", "Transfer-Encoding: chunked"), 400),
        (post("/v1/models/m:predict", b"-5\r\n", "Transfer-Encoding: chunked"), 400),
        (post("/v1/models/m:predict", b"fffffffffffffff\r\n", "Transfer-Encoding: chunked"), 400),
        (post("/v1/models/m:predict", b"50\r\nshort", "Transfer-Encoding: chunked"), 0),
        (post("/v1/models/m:predict", b"", "Transfer-Encoding: rot13"), 400),
        (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 400),
        (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 500\r\n\r\n{", 0),
        (post("/v1/models/m:predict", gzip.compress(GOOD), "Content-Encoding: gzip"), 200),
        (post("/v1/models/m:predict", gzip.compress(GOOD)[:-9], "Content-Encoding: gzip"), 400),
        (post("/v1/models/m:predict", b"no gzip", "Content-Encoding: gzip"), 400),
        (b"PUT /v1/models/m HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"DELETE /v1/models/m HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"HEAD /v1/models/m HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /v1/models/m/versions/99999999999999999999 HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_framing_is_read_right_or_refused(address: tuple[str, int], data: bytes, status: int) -> None:
    assert status_of(send(address, data)) == status
    assert is_served(address)


def test_a_gzip_bomb_is_refused_before_it_goes_off(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.embedded.rest_body.LONGEST_INFLATED", 1 << 16)
    body = gzip.compress(b" " * (1 << 20) + GOOD)
    answer = send(address, post("/v1/models/m:predict", body, "Content-Encoding: gzip"))
    assert status_of(answer) == 400
    assert b"once inflated" in answer


def test_peers_that_stall_hold_up_nobody(address: tuple[str, int]) -> None:
    stalled = []
    for number in range(40):
        connection = socket.create_connection(address, timeout=20)
        half = (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 500\r\n\r\n{", b"GET /v1/mod", b"")[number % 3]
        connection.sendall(half)
        stalled.append(connection)
    assert is_served(address)
    # One who asks for megabytes and reads none of them.
    rows = json.dumps({"signature_name": "float64", "inputs": [0.123456789012] * 200_000}).encode()
    slow = socket.create_connection(address, timeout=20)
    slow.sendall(post("/v1/models/m:predict", rows))
    assert is_served(address)
    for connection in [*stalled, slow]:
        connection.close()
    deadline = time.monotonic() + 20
    while sum("process_request_thread" in thread.name for thread in threading.enumerate()) > 5:
        assert time.monotonic() < deadline, "the connections' threads did not end"
        time.sleep(0.05)


def test_connections_beyond_the_limit_are_refused(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.embedded.rest._MOST_CONNECTIONS", 8)
    held = [socket.create_connection(address, timeout=20) for _ in range(8)]
    try:
        deadline = time.monotonic() + 20
        while status_of(send(address, post("/v1/models/m:predict", GOOD))) != 503:
            assert time.monotonic() < deadline
    finally:
        for connection in held:
            connection.close()
    monkeypatch.undo()
    assert is_served(address)


def test_a_server_that_stops_ends_idle_connections_and_their_threads(
    tmp_path: Path, start: Callable[..., EmbeddedServer]
) -> None:
    save_kinds(tmp_path / "m" / "1")
    port = free_port()
    server = start(tmp_path / "m", model_name="m", rest_api_port=port)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:
        request = b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n"
        idle.sendall(request)
        assert status_of(idle.recv(1 << 16)) == 200
        started = time.monotonic()
        server.stop()
        # An idle connection is nothing to wait for: not the 30 seconds of drain_seconds.
        assert time.monotonic() - started < 15
        assert idle.recv(1 << 16) == b""
