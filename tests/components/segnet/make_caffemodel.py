"""Writes caffemodels with Google's protobuf library, from a schema that is a part of Caffe's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED

_SCHEMA: dict[str, list[tuple[str, int, Any, int]]] = {
    "BlobShape": [("dim", 1, _FIELD.TYPE_INT64, _MANY)],
    "BlobProto": [
        *((name, i, _FIELD.TYPE_INT32, _ONE) for i, name in enumerate(("num", "channels", "height", "width"), 1)),
        ("data", 5, _FIELD.TYPE_FLOAT, _MANY),
        ("diff", 6, _FIELD.TYPE_FLOAT, _MANY),
        ("shape", 7, "BlobShape", _ONE),
        ("double_data", 8, _FIELD.TYPE_DOUBLE, _MANY),
    ],
    "LayerParameter": [
        ("name", 1, _FIELD.TYPE_STRING, _ONE),
        ("type", 2, _FIELD.TYPE_STRING, _ONE),
        ("bottom", 3, _FIELD.TYPE_STRING, _MANY),
        ("loss_weight", 5, _FIELD.TYPE_FLOAT, _MANY),
        ("blobs", 7, "BlobProto", _MANY),
        ("phase", 10, _FIELD.TYPE_INT32, _ONE),
    ],
    "V1LayerParameter": [
        ("bottom", 2, _FIELD.TYPE_STRING, _MANY),
        ("name", 4, _FIELD.TYPE_STRING, _ONE),
        ("type", 5, _FIELD.TYPE_INT32, _ONE),
        ("blobs", 6, "BlobProto", _MANY),
        ("blobs_lr", 7, _FIELD.TYPE_FLOAT, _MANY),
    ],
    "NetParameter": [
        ("name", 1, _FIELD.TYPE_STRING, _ONE),
        ("layers", 2, "V1LayerParameter", _MANY),
        ("layer", 100, "LayerParameter", _MANY),
    ],
}

_PACKED = {"dim", "data", "diff", "double_data"}


def _net_parameter() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="eoseg_test_caffe.proto", package="eoseg_test_caffe")
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for name, number, kind, label in fields:
            field = described.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".eoseg_test_caffe.{kind}"
            else:
                field.type = kind
            if name in _PACKED:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("eoseg_test_caffe.NetParameter"))


NetParameter = _net_parameter()

Blobs = Sequence[np.ndarray]


def write_caffemodel(
    path: Path, layers: dict[str, tuple[str, Blobs]], *, old: bool = False, double: bool = False
) -> str:
    """Writes (type, blobs) of layers by name.

    Args:
        path: The file.
        layers: In order.
        old: As Caffe did before 2015: V1LayerParameter, and blobs of four sides.
        double: Blobs as 64-bit numbers.
    """
    net = NetParameter(name="test net")
    for name, (kind, blobs) in layers.items():
        layer = net.layers.add(name=name, type=4) if old else net.layer.add(name=name, type=kind, phase=1)
        layer.bottom.append("data")
        for values in blobs:
            blob = layer.blobs.add()
            (blob.double_data if double else blob.data).extend(values.ravel().tolist())
            blob.diff.extend([0.5] * 3)
            if old:
                sides = (1,) * (4 - values.ndim) + values.shape
                blob.num, blob.channels, blob.height, blob.width = sides
            else:
                blob.shape.dim.extend(values.shape)
    path.write_bytes(net.SerializeToString())
    return str(path)
