"""A real gRPC server that answers as a model would, and misbehaves as it is told; no TensorFlow."""

import json
import threading
import time
from collections import deque
from concurrent import futures
from typing import Any

import grpc

from components import contract as wire
from serving.predict_messages import VERSION_STATES, message_class
from serving.wire_messages import HEALTH_STATUS
from serving.wire_messages import message_class as health_message

CONTRACT = {
    "patch_size": 4,
    "bands": ["blue", "green", "red"],
    "dtype": "uint8",
    "table": {"classes": [{"name": name, "color": [i, 0, 0]} for i, name in enumerate(("water", "forest", "roof"))]},
}
HANG = "hang"


class FaultyServer:
    """Serves `eoseg`: the scores of a patch are the patch.

    Attributes:
        faults: What the next predictions do, one each: a status code's name (with a message after a colon), `HANG`
            until the server stops, or a number of seconds to take.
        versions: The states of the versions there are.
        labels: Label -> version.
        asked: (signature, version) of every Predict that arrived.
        metadata: What the last call carried.
        most_in_flight: The most predictions that ever ran at the same time.
        health: The status of the health service; None has no such service.
    """

    def __init__(self, port: int = 0, credentials: Any = None, address: str = "127.0.0.1", capacity: int = 0) -> None:
        self.faults: deque[str | float] = deque()
        self.versions = {1: "AVAILABLE"}
        self.labels: dict[str, int] = {}
        self.asked: list[tuple[str, int]] = []
        self.metadata: dict[str, str] = {}
        self.most_in_flight = self.refused = 0
        self.health: str | None = None
        self._capacity = capacity
        self._in_flight = 0
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(32),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        names = {"PredictionService": {"Predict": self._predict}, "ModelService": {"GetModelStatus": self._status}}
        for service, methods in names.items():
            self._server.add_generic_rpc_handlers((_handlers(f"tensorflow.serving.{service}", methods),))
        self._server.add_generic_rpc_handlers((_handlers("grpc.health.v1.Health", {"Check": self._health}),))
        place = f"{address}:{port}" if not address.startswith("unix:") else address
        if credentials is None:
            self.port = self._server.add_insecure_port(place)
        else:
            self.port = self._server.add_secure_port(place, credentials)
        self.address = place if address.startswith("unix:") else f"{address}:{self.port}"
        self._server.start()

    def stop(self, grace: float | None = None) -> None:
        stopped = self._server.stop(grace)
        self._released.set()
        stopped.wait()

    def __enter__(self) -> "FaultyServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _predict(self, request: Any, context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else max(self.versions)
        if spec.version_label:
            if spec.version_label not in self.labels:
                message = f"Unrecognized servable version label: {spec.version_label}"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
            version = self.labels[spec.version_label]
        if self.versions.get(version) != "AVAILABLE":
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific(eoseg, {version})")
        with self._lock:
            self.asked.append((spec.signature_name, version))
        response = message_class("tensorflow.serving.PredictResponse")()
        response.model_spec.version.value = version
        if spec.signature_name == wire.DESCRIBE_SIGNATURE:
            response.outputs[wire.CONTRACT].string_val.append(json.dumps(CONTRACT).encode())
            return response
        with self._lock:
            fault = self.faults.popleft() if self.faults else None
            if self._capacity and self._in_flight >= self._capacity:
                self.refused += 1
                fault = "RESOURCE_EXHAUSTED"
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            if fault == HANG:
                self._released.wait(60)
            elif isinstance(fault, str):
                code, _, message = fault.partition(": ")
                context.abort(grpc.StatusCode[code], message or "as told")
            elif fault is not None:
                time.sleep(fault)
        finally:
            with self._lock:
                self._in_flight -= 1
        tensor = request.inputs[wire.IMAGE]
        count = tensor.tensor_shape.dim[0].size
        content = tensor.tensor_content
        size = len(content) // count
        output = response.outputs[request.output_filter[0]]
        output.string_val.extend(content[i * size : (i + 1) * size] for i in range(count))
        return response

    def _status(self, request: Any, context: Any) -> Any:
        response = message_class("tensorflow.serving.GetModelStatusResponse")()
        wanted = request.model_spec.version.value if request.model_spec.HasField("version") else None
        for version, state in self.versions.items():
            if wanted in (None, version):
                entry = response.model_version_status.add(version=version, state=VERSION_STATES[state])
                entry.status.error_message = "broken" * (state == "END")
        if not response.model_version_status:
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model eoseg")
        return response

    def _health(self, request: Any, context: Any) -> Any:
        if self.health is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        return health_message("grpc.health.v1.HealthCheckResponse")(status=HEALTH_STATUS[self.health])


def _handlers(service: str, methods: dict[str, Any]) -> Any:
    requests = {"Predict": "PredictRequest", "GetModelStatus": "GetModelStatusRequest"}
    handlers = {}
    for name, method in methods.items():
        kind = (
            message_class(f"tensorflow.serving.{requests[name]}")
            if name in requests
            else health_message("grpc.health.v1.HealthCheckRequest")
        )
        handlers[name] = grpc.unary_unary_rpc_method_handler(
            method, kind.FromString, lambda message: message.SerializeToString()
        )
    return grpc.method_handlers_generic_handler(service, handlers)
