"""The client's own messages against those of `tensorflow-serving-api`."""

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from serving import predict_messages
from serving.conversation import Conversation, write_image

ORIGINALS = {
    "tensorflow.TensorShapeProto": "tensorflow.core.framework.tensor_shape_pb2",
    "tensorflow.TensorProto": "tensorflow.core.framework.tensor_pb2",
    "tensorflow.serving.ModelSpec": "tensorflow_serving.apis.model_pb2",
    "tensorflow.serving.PredictRequest": "tensorflow_serving.apis.predict_pb2",
    "tensorflow.serving.PredictResponse": "tensorflow_serving.apis.predict_pb2",
    "tensorflow.serving.GetModelStatusRequest": "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow.serving.GetModelStatusResponse": "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow.serving.ModelVersionStatus": "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow.serving.StatusProto": "tensorflow_serving.apis.status_pb2",
}
NESTED = {"tensorflow.TensorShapeProto.Dim"}


def original(full_name: str) -> Any:
    return getattr(importlib.import_module(ORIGINALS[full_name]), full_name.rpartition(".")[2])


def shape_of(descriptor: Any) -> dict[str, tuple[Any, ...]]:
    return {
        field.name: (
            field.number,
            field.type,
            field.label,
            field.message_type.full_name if field.message_type else None,
            field.enum_type.full_name if field.enum_type else None,
            field.containing_oneof.name if field.containing_oneof else None,
        )
        for field in descriptor.fields
    }


def test_every_message_is_compared() -> None:
    assert set(ORIGINALS) | NESTED == set(predict_messages.MESSAGES)


@pytest.mark.parametrize("full_name", sorted(ORIGINALS))
def test_fields_are_those_of_the_original(full_name: str) -> None:
    ours = predict_messages.message_class(full_name).DESCRIPTOR
    theirs = original(full_name).DESCRIPTOR
    pairs = [(ours, theirs)] + [(nested, theirs.nested_types_by_name[nested.name]) for nested in ours.nested_types]
    for our, their in pairs:
        assert our.GetOptions().map_entry == their.GetOptions().map_entry
        fields = shape_of(their)
        assert shape_of(our) == {name: fields[name] for name in shape_of(our)}


def test_enum_values_are_those_of_the_original() -> None:
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import get_model_status_pb2

    states = dict(get_model_status_pb2.ModelVersionStatus.State.items())
    assert states == predict_messages.VERSION_STATES
    for name, number in predict_messages.DATA_TYPES.items():
        assert types_pb2.DataType.Value(name) == number


def test_a_request_is_the_originals_on_the_wire() -> None:
    patches = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    ours = Conversation("host:1", "m", version=3).predict_request(patches, "scores_bytes", 3)
    theirs = original("tensorflow.serving.PredictRequest").FromString(ours.SerializeToString())
    assert not theirs.model_spec.version_label
    assert (theirs.model_spec.name, theirs.model_spec.version.value) == ("m", 3)
    assert list(theirs.output_filter) == ["scores_bytes"]
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    by_hand = original("tensorflow.TensorProto")()
    write_image(by_hand, patches)
    assert theirs.inputs["image"] == by_hand


def test_fields_that_are_not_declared_survive() -> None:
    theirs = original("tensorflow.TensorProto")(dtype=1, float_val=[1.5])
    ours = predict_messages.message_class("tensorflow.TensorProto").FromString(theirs.SerializeToString())
    assert original("tensorflow.TensorProto").FromString(ours.SerializeToString()) == theirs


@pytest.mark.parametrize("module", ["serving.client", "serving.async_client"])
def test_the_client_imports_no_tensorflow(module: str) -> None:
    code = f"import sys, {module}; print([name for name in sys.modules if name.startswith('tensorflow')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert answer.stdout.strip() == "[]"
