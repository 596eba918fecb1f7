"""The protobuf messages that the client sends and reads, built from their field numbers.

`tensorflow-serving-api` has them too, but its modules import `tensorflow`, which takes 8 s and more: too long for a
client that sends bytes. Only what the client uses is declared; protobuf skips the rest. The numbers are those of
TensorFlow Serving 2.16 and TensorFlow 2.16, and `tests/serving/test_predict_messages.py` holds them to the original
messages. They live in a descriptor pool of their own: TensorFlow may be imported before, after, or never. So they are
equal to the originals on the wire, but of other Python classes.
"""

from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "int64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
}

DATA_TYPES = {
    "DT_INVALID": 0,
    "DT_FLOAT": 1,
    "DT_UINT8": 4,
    "DT_INT16": 5,
    "DT_STRING": 7,
    "DT_UINT16": 17,
}
VERSION_STATES = {"UNKNOWN": 0, "START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}

_ENUMS = {
    "tensorflow.DataType": DATA_TYPES,
    "tensorflow.serving.ModelVersionStatus.State": VERSION_STATES,
    "tensorflow.error.Code": {"OK": 0},
}

Fields = dict[str, tuple[int, str]]

# message -> {field: (number, type)}. Before a type stand "repeated ", "map " (from string), "enum ", or "oneof ".
MESSAGES: dict[str, Fields] = {
    "tensorflow.TensorShapeProto": {
        "dim": (2, "repeated tensorflow.TensorShapeProto.Dim"),
        "unknown_rank": (3, "bool"),
    },
    "tensorflow.TensorShapeProto.Dim": {"size": (1, "int64"), "name": (2, "string")},
    "tensorflow.TensorProto": {
        "dtype": (1, "enum tensorflow.DataType"),
        "tensor_shape": (2, "tensorflow.TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "string_val": (8, "repeated bytes"),
    },
    "tensorflow.serving.ModelSpec": {
        "name": (1, "string"),
        "version": (2, "oneof google.protobuf.Int64Value"),
        "signature_name": (3, "string"),
        "version_label": (4, "oneof string"),
    },
    "tensorflow.serving.PredictRequest": {
        "model_spec": (1, "tensorflow.serving.ModelSpec"),
        "inputs": (2, "map tensorflow.TensorProto"),
        "output_filter": (3, "repeated string"),
    },
    "tensorflow.serving.PredictResponse": {
        "outputs": (1, "map tensorflow.TensorProto"),
        "model_spec": (2, "tensorflow.serving.ModelSpec"),
    },
    "tensorflow.serving.GetModelStatusRequest": {"model_spec": (1, "tensorflow.serving.ModelSpec")},
    "tensorflow.serving.GetModelStatusResponse": {
        "model_version_status": (1, "repeated tensorflow.serving.ModelVersionStatus"),
    },
    "tensorflow.serving.ModelVersionStatus": {
        "version": (1, "int64"),
        "state": (2, "enum tensorflow.serving.ModelVersionStatus.State"),
        "status": (3, "tensorflow.serving.StatusProto"),
    },
    "tensorflow.serving.StatusProto": {
        "error_code": (1, "enum tensorflow.error.Code"),
        "error_message": (2, "string"),
    },
}


def message_class(full_name: str) -> Any:
    """The class of a message, for instance `tensorflow.serving.PredictRequest`.

    Raises:
        KeyError: If the message is not one of this module's.
    """
    descriptor = _pool().FindMessageTypeByName(full_name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool()).GetPrototype(descriptor)  # protobuf 3, the Python 3.10 lane


@lru_cache(maxsize=1)
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    added: list[str] = []
    # A file has one package; a package comes after those that its fields name.
    for package in ("tensorflow.error", "tensorflow", "tensorflow.serving"):
        proto = descriptor_pb2.FileDescriptorProto(name=f"eoseg/{package}.proto", package=package, syntax="proto3")
        proto.dependency.extend(["google/protobuf/wrappers.proto", *added])
        made: dict[str, Any] = {}
        for full_name, fields in MESSAGES.items():
            parent, _, name = full_name.rpartition(".")
            if parent == package:
                made[full_name] = proto.message_type.add(name=name)
            elif parent in made:
                made[full_name] = made[parent].nested_type.add(name=name)
            else:
                continue
            _add_fields(made[full_name], full_name, fields)
        for full_name, values in _ENUMS.items():
            parent, _, name = full_name.rpartition(".")
            if parent == package or parent in made:
                enum = (proto if parent == package else made[parent]).enum_type.add(name=name)
                for value_name, number in values.items():
                    enum.value.add(name=value_name, number=number)
        pool.AddSerializedFile(proto.SerializeToString())
        added.append(proto.name)
    return pool


def _add_fields(message: Any, full_name: str, fields: Fields) -> None:
    for field_name, (number, spec) in fields.items():
        kind, _, type_name = spec.rpartition(" ")
        field = message.field.add(name=field_name, number=number, label=_FIELD.LABEL_OPTIONAL)
        if kind in ("repeated", "map"):
            field.label = _FIELD.LABEL_REPEATED
        if kind == "oneof":
            if not message.oneof_decl:
                message.oneof_decl.add(name="version_choice")
            field.oneof_index = 0
        if kind == "map":  # protobuf's own way to write map<string, type_name>
            entry = message.nested_type.add(name=f"{field_name.title()}Entry")
            entry.options.map_entry = True
            _add_fields(entry, f"{full_name}.{entry.name}", {"key": (1, "string"), "value": (2, type_name)})
            type_name = f"{full_name}.{entry.name}"
        if type_name in _SCALARS:
            field.type = _SCALARS[type_name]
        else:
            field.type = _FIELD.TYPE_ENUM if kind == "enum" else _FIELD.TYPE_MESSAGE
            field.type_name = f".{type_name}"
