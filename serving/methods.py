"""The gRPC methods that the client calls, as both kinds of channel take them."""

from typing import Any

from serving import predict_messages, wire_messages

HEALTH_UNKNOWN = ("UNIMPLEMENTED", "NOT_FOUND")
"""The codes of a server without a health service, as the stock one is without `--enable_grpc_healthcheck_service`."""


class Methods:
    """The methods of one channel of `grpc` or `grpc.aio`; requests may be of any class that serialises.

    Args:
        channel: As `serving.channel.open_channel` gives it.
    """

    def __init__(self, channel: Any) -> None:
        prediction, model = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
        self.predict = _method(channel, prediction + "Predict", _message("PredictResponse"))
        self.model_status = _method(channel, model + "GetModelStatus", _message("GetModelStatusResponse"))
        self._health_request = wire_messages.message_class("grpc.health.v1.HealthCheckRequest")
        response = wire_messages.message_class("grpc.health.v1.HealthCheckResponse")
        self.health = _method(channel, "/grpc.health.v1.Health/Check", response)

    def health_request(self) -> Any:
        """A request for the health of the server as a whole."""
        return self._health_request()


def is_serving(response: Any) -> bool:
    """Whether a `HealthCheckResponse` says that the server serves."""
    return bool(response.status == wire_messages.HEALTH_STATUS["SERVING"])


def _message(name: str) -> Any:
    return predict_messages.message_class(f"tensorflow.serving.{name}")


def _method(channel: Any, path: str, response: Any) -> Any:
    return channel.unary_unary(
        path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )
