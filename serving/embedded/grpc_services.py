"""The gRPC face of the model host: PredictionService, ModelService, and health."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.embedded.failures import log_failure
from serving.embedded.model_host import ModelHost
from serving.embedded.status import Code, StatusError, wire_message
from serving.wire_messages import HEALTH_STATUS, message_class

_log = logging.getLogger(__name__)
_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def add_services(server: Any, host: ModelHost, with_health: bool) -> None:
    """Registers all services on a `grpc.Server`."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_PredictionService(host), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(host), server)
    if with_health:
        server.add_generic_rpc_handlers((_health_handler(),))


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
        return handle(request, context.time_remaining())
    except StatusError as error:
        failure = error
    except Exception as error:  # the server goes on; the caller learns the kind, the log the place
        _log.exception("unexpected failure in %s", method)
        failure = StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
    log_failure(method, _model_name(request), failure, time.monotonic() - started)
    context.abort(_GRPC_CODES[int(failure.code)], wire_message(failure.message))


def _model_name(request: Any) -> str:
    if hasattr(request, "model_spec"):
        return str(request.model_spec.name)
    tasks = getattr(request, "tasks", None)
    return str(tasks[0].model_spec.name) if tasks else ""


def _health_handler() -> Any:
    request_class = message_class("grpc.health.v1.HealthCheckRequest")
    response_class = message_class("grpc.health.v1.HealthCheckResponse")
    serving = {"", "ModelService", "PredictionService"}

    def check(request: Any, context: Any) -> Any:
        if request.service not in serving:
            context.abort(grpc.StatusCode.NOT_FOUND, "")
        return response_class(status=HEALTH_STATUS["SERVING"])

    def watch(request: Any, context: Any) -> Iterator[Any]:
        status = "SERVING" if request.service in serving else "SERVICE_UNKNOWN"
        yield response_class(status=HEALTH_STATUS[status])
        while context.is_active():  # the state never changes: the port is open only while all serve
            time.sleep(1.0)

    return grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health",
        {
            "Check": grpc.unary_unary_rpc_method_handler(
                check, request_class.FromString, response_class.SerializeToString
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                watch, request_class.FromString, response_class.SerializeToString
            ),
        },
    )
