"""Thousands of requests that go wrong leave neither memory nor threads behind, in a server of its own process."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import tensor_pb2

from tests.serving.embedded.program import Program
from tests.serving.embedded.wire import Wire, predict_request

ROUNDS = 400
MEGABYTES = 24.0
"""What the heap may grow by while it settles; one leaked request of each kind a round would be 130."""
THREADS = 4


def bad_tensor(dtype: int, *shape: int) -> Any:
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_content=bytes(100_000))
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return proto


def one_round(wire: Wire, number: int) -> None:
    """A request of each kind that fails, one that is cancelled, one that succeeds."""
    big = np.zeros((25_000, 1), np.float32)
    requests = [
        predict_request(name="half_plus_two", inputs={"x": bad_tensor(1, 5, 5)}),
        predict_request(name="half_plus_two", inputs={"x": bad_tensor(4, 100_000)}),
        predict_request(name=f"nobody_{number}", inputs={"x": big}),
        predict_request(name="half_plus_two", signature=f"nothing_{number}", inputs={"x": big}),
    ]
    futures = [wire.prediction.Predict.future(request, 20) for request in requests]
    wire.prediction.Predict.future(requests[0], 20).cancel()
    for future in futures:
        assert future.code() in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.FAILED_PRECONDITION,
        )
    answer = wire.predict(name="half_plus_two", inputs={"x": np.array([[number]], np.float32)})
    assert list(answer.outputs["y"].float_val) == [number / 2 + 2]


def rest_round(program: Program, number: int) -> None:
    body = b'{"instances": ["' + b"x" * 50_000 + b'"]}'
    head = f"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("localhost", program.rest_port), timeout=20) as connection:
        if number % 4 == 0:
            connection.sendall(head.encode() + b"\r\n" + body[:1000])  # and gone
            return
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
        assert connection.recv(64).startswith(b"HTTP/1.1 400")
        while connection.recv(1 << 16):
            pass


def test_requests_that_go_wrong_leave_nothing_behind(program: Program) -> None:
    wire = program.wire

    def run(rounds: int) -> tuple[float, int]:
        def all_rounds(one: Callable[[int], None]) -> None:
            for number in range(rounds):
                one(number)

        askers = [
            threading.Thread(target=all_rounds, args=(lambda number: one_round(wire, number),)),
            threading.Thread(target=all_rounds, args=(lambda number: rest_round(program, number),)),
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        wire.predict(name="half_plus_two", inputs={"x": np.ones((1, 1), np.float32)})
        return program.memory_and_threads()

    run(ROUNDS)  # threads start, pools fill
    memory, threads = run(ROUNDS // 2)
    memory_after, threads_after = run(ROUNDS)
    assert threads_after <= threads + THREADS
    assert memory_after <= memory + MEGABYTES
