"""The health service of gRPC (`grpc.health.v1`), answered by threads of its own.

Probes must be answered while every worker is busy, and a watcher, whose call stays open for good, must hold no thread.
"""

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc

from serving.wire_messages import HEALTH_STATUS, message_class

_SERVICES = {"", "ModelService", "PredictionService"}
_Send = Callable[[Any], None]


class Health:
    """Says SERVING from the opening of the port until `end`: the port is open only while all models serve.

    Attributes:
        handler: To be added to a `grpc.Server`.
    """

    def __init__(self) -> None:
        request = message_class("grpc.health.v1.HealthCheckRequest")
        response = message_class("grpc.health.v1.HealthCheckResponse")
        pool = futures.ThreadPoolExecutor(2, thread_name_prefix="health")
        self._pool = pool
        self._watch = _Watch(pool, response)
        self.handler = grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    _Check(pool, response), request.FromString, response.SerializeToString
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._watch, request.FromString, response.SerializeToString
                ),
            },
        )

    def end(self) -> None:
        """Tells watchers NOT_SERVING and ends their calls, which would hold up a server that drains."""
        self._watch.end()
        self._pool.shutdown(wait=False)


class _Check:
    """One question, one answer."""

    def __init__(self, pool: futures.ThreadPoolExecutor, response: Any) -> None:
        self.experimental_thread_pool = pool  # gRPC looks for this name
        self._response = response

    def __call__(self, request: Any, context: Any) -> Any:
        if request.service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, "")
        return self._response(status=HEALTH_STATUS["SERVING"])


class _Watch:
    """A call that stays open; its thread goes back to the pool after the first answer."""

    experimental_non_blocking = True  # gRPC looks for this name, and hands over a way to send

    def __init__(self, pool: futures.ThreadPoolExecutor, response: Any) -> None:
        self.experimental_thread_pool = pool
        self._response = response
        self._lock = threading.Lock()
        self._watchers: dict[Any, tuple[str, _Send]] = {}
        self._ended = False

    def __call__(self, request: Any, context: Any, send_response_callback: _Send) -> None:
        send_response_callback(self._response(status=HEALTH_STATUS[self._status(request.service)]))
        with self._lock:
            ended = self._ended
            if not ended:
                self._watchers[context] = (request.service, send_response_callback)
        if ended:  # between the first answer and now
            self._say_goodbye(request.service, send_response_callback)
        elif not context.add_callback(lambda: self._forget(context)):  # the caller is gone
            self._forget(context)
            send_response_callback(None)

    def end(self) -> None:
        with self._lock:
            self._ended = True
            watchers, self._watchers = list(self._watchers.values()), {}
        for service, send in watchers:
            self._say_goodbye(service, send)

    def _say_goodbye(self, service: str, send: _Send) -> None:
        if service in _SERVICES:
            send(self._response(status=HEALTH_STATUS["NOT_SERVING"]))
        send(None)

    def _status(self, service: str) -> str:
        return "SERVING" if service in _SERVICES else "SERVICE_UNKNOWN"

    def _forget(self, context: Any) -> None:
        with self._lock:
            self._watchers.pop(context, None)
