"""The gRPC face of the model host: PredictionService, ModelService, and health."""

import time
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.embedded.failures import log_failure, unexpected_failure
from serving.embedded.health import Health
from serving.embedded.model_host import ModelHost
from serving.embedded.status import Code, StatusError, wire_message

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_LONGEST_DEADLINE = 10 * 365 * 86400.0
"""Seconds; a call without a deadline says that it has the year 2262 left, which no run option can hold."""


def add_services(server: Any, host: ModelHost, health: Health | None) -> None:
    """Registers all services on a `grpc.Server`."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_PredictionService(host), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(host), server)
    if health is not None:
        server.add_generic_rpc_handlers((health.handler,))


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, host: ModelHost) -> None:
        self._host = host

    def Predict(self, request: Any, context: Any) -> Any:
        return _answer("Predict", request, context, self._host.predict)

    def Classify(self, request: Any, context: Any) -> Any:
        return _answer("Classify", request, context, self._host.classify)

    def Regress(self, request: Any, context: Any) -> Any:
        return _answer("Regress", request, context, self._host.regress)

    def MultiInference(self, request: Any, context: Any) -> Any:
        return _answer("MultiInference", request, context, self._host.multi_inference)

    def GetModelMetadata(self, request: Any, context: Any) -> Any:
        return _answer("GetModelMetadata", request, context, lambda asked, _: self._host.model_metadata(asked))


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, host: ModelHost) -> None:
        self._host = host

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        return _answer("GetModelStatus", request, context, lambda asked, _: self._host.model_status(asked))

    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:
        return _answer("HandleReloadConfigRequest", request, context, lambda asked, _: self._host.reload_config(asked))


def _answer(method: str, request: Any, context: Any, handle: Callable[[Any, float | None], Any]) -> Any:
    started = time.monotonic()
    try:
        if not context.is_active():  # given up while it waited for a thread: nobody would read the answer
            raise StatusError(Code.CANCELLED, "the caller is gone")
        left = context.time_remaining()
        return handle(request, left if left is not None and left < _LONGEST_DEADLINE else None)
    except StatusError as error:
        failure = error
    except Exception as error:  # the server goes on; the caller learns the kind, the log the place
        failure = unexpected_failure(method, error)
    log_failure(method, _model_name(request), failure, time.monotonic() - started)
    context.abort(_GRPC_CODES[int(failure.code)], wire_message(failure.message))


def _model_name(request: Any) -> str:
    if hasattr(request, "model_spec"):
        return str(request.model_spec.name)
    tasks = getattr(request, "tasks", None)
    return str(tasks[0].model_spec.name) if tasks else ""
