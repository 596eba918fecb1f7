"""The protobuf messages that `tensorflow-serving-api` and this environment lack, built from their field numbers.

The numbers are those of TensorFlow Serving 2.16 (`session_bundle_config.proto`, `monitoring_config.proto`,
`ssl_config.proto`) and of gRPC's `health.proto`. They live in a descriptor pool of their own, so that they cannot
collide with a package that brings the same messages.
"""

from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "int64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
}
_INT64 = ".google.protobuf.Int64Value"

# message -> {field: (number, type)}; "repeated " before a type, a leading dot or "enum " for what is not a scalar.
_SERVING_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, _INT64),
        "batch_timeout_micros": (2, _INT64),
        "max_enqueued_batches": (3, _INT64),
        "num_batch_threads": (4, _INT64),
        "thread_pool_name": (5, ".google.protobuf.StringValue"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "max_execution_batch_size": (8, _INT64),
        "enable_large_batch_splitting": (9, ".google.protobuf.BoolValue"),
    },
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, ".tensorflow.serving.PrometheusConfig")},
    "SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
}
_HEALTH_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "HealthCheckRequest": {"service": (1, "string")},
    "HealthCheckResponse": {"status": (1, "enum .grpc.health.v1.ServingStatus")},
}
HEALTH_STATUS = {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}


@lru_cache(maxsize=1)
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    serving = _file("eoseg/serving.proto", "tensorflow.serving", _SERVING_MESSAGES)
    serving.dependency.append("google/protobuf/wrappers.proto")
    health = _file("eoseg/health.proto", "grpc.health.v1", _HEALTH_MESSAGES)
    status = health.enum_type.add(name="ServingStatus")
    for name, number in HEALTH_STATUS.items():
        status.value.add(name=name, number=number)
    for proto in (serving, health):
        pool.AddSerializedFile(proto.SerializeToString())
    return pool


def _file(name: str, package: str, messages: dict[str, dict[str, tuple[int, str]]]) -> Any:
    proto = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message_name, fields in messages.items():
        message = proto.message_type.add(name=message_name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number)
            repeated = kind.startswith("repeated ")
            kind = kind.removeprefix("repeated ")
            field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = _FIELD.TYPE_ENUM if kind.startswith("enum ") else _FIELD.TYPE_MESSAGE
                field.type_name = kind.removeprefix("enum ")
    return proto


def message_class(full_name: str) -> Any:
    """The class of a message, for instance `tensorflow.serving.BatchingParameters`.

    Raises:
        KeyError: If the message is not one of this module's.
    """
    descriptor = _pool().FindMessageTypeByName(full_name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool()).GetPrototype(descriptor)  # protobuf 3, the Python 3.10 lane
