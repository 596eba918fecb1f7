"""Clients that ask one request after another: the load of a measurement, as a process (see `serving.tuning.worker`).

Requests and answers stay bytes, unless a job asks for answers to be read: so the load takes as little as it can of the
processors that the server runs on, and needs no TensorFlow.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from components.errors import ServingError
from serving.tuning.worker import Job, serve_jobs

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_UNLIMITED = 2**31 - 1
_CONNECT_SECONDS = 30.0


def run_load(job: Job) -> Job:
    """Loads a server for a while.

    Args:
        job: `address`; `request_file` with a serialised PredictRequest; `concurrency`, the number of clients, each on a
            connection of its own; `seconds` until no client asks again; `timeout_seconds` of one request; `read`, the
            name of an output to turn into an array, or "". Optional: `connect_seconds` until the server must answer.

    Returns:
        `seconds` until the last answer, `latencies_ms` of the requests that were answered, `failures` (gRPC code ->
        count), `cpu_seconds` of this process, `answer_bytes` of one answer.

    Raises:
        ServingError: If the server cannot be reached.
    """
    request = Path(job["request_file"]).read_bytes()
    read = array_reader(job["read"]) if job.get("read") else None
    channels = [_channel(job["address"]) for _ in range(job["concurrency"])]
    latencies: list[float] = []
    failures: Counter[str] = Counter()
    answer_bytes = [0]
    start = threading.Barrier(len(channels) + 1)
    stop_at = [0.0]

    def client(channel: Any) -> None:
        call = channel.unary_unary(_PREDICT)  # bytes in, bytes out
        start.wait()
        while time.perf_counter() < stop_at[0]:
            began = time.perf_counter()
            try:
                answer = call(request, timeout=job["timeout_seconds"])
            except grpc.RpcError as error:
                failures[error.code().name] += 1
                time.sleep(0.01)  # a refusal comes at once; asking again at once would measure nothing else
                continue
            if read is not None:
                read(answer)
            latencies.append((time.perf_counter() - began) * 1e3)
            answer_bytes[0] = len(answer)

    threads = [threading.Thread(target=client, args=(channel,), daemon=True) for channel in channels]
    try:
        for channel in channels:
            grpc.channel_ready_future(channel).result(job.get("connect_seconds", _CONNECT_SECONDS))
        for thread in threads:
            thread.start()
        began, cpu = time.perf_counter(), time.process_time()
        stop_at[0] = began + job["seconds"]
        start.wait()
        for thread in threads:
            thread.join()
        # Until the last answer, not until the bell: every request that was begun is counted, and so is its time.
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    except grpc.FutureTimeoutError as error:
        raise ServingError(f"the model server at {job['address']} does not answer", "a server that runs") from error
    finally:
        for channel in channels:
            channel.close()
    return {
        "seconds": seconds,
        "latencies_ms": latencies,
        "failures": dict(failures),
        "cpu_seconds": cpu,
        "answer_bytes": answer_bytes[0],
    }


def array_reader(output: str) -> Callable[[bytes], Any]:
    """A function from a serialised PredictResponse to the array that its output `output` stands for.

    Byte strings are raw scores, or PNGs where the name says `class_ids`. Numbers are read by TensorFlow's own function.
    """
    import io

    import numpy as np
    from PIL import Image
    from tensorflow import make_ndarray
    from tensorflow_serving.apis import predict_pb2

    def read(answer: bytes) -> Any:
        response = predict_pb2.PredictResponse.FromString(answer)
        tensor = response.outputs[output]
        if not tensor.string_val:
            return make_ndarray(tensor)  # numbers, which the servers write one by one
        if "class_ids" in output:
            return np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in tensor.string_val])
        return np.frombuffer(b"".join(tensor.string_val), np.uint8)

    return read


def _channel(address: str) -> Any:
    options = (
        ("grpc.max_receive_message_length", _UNLIMITED),
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.use_local_subchannel_pool", 1),  # a connection each, as clients of their own have
    )
    return grpc.insecure_channel(address, options=options)


def main() -> None:
    """Serves jobs until the input ends."""
    serve_jobs(run_load)


if __name__ == "__main__":
    main()
