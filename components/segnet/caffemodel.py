"""Reads the trained blobs of a `.caffemodel`, without Caffe.

The file is one serialised protobuf message. Only these fields of caffe.proto are read:

    NetParameter      layers = 2 (V1LayerParameter, Caffe before 2015), layer = 100 (LayerParameter)
    LayerParameter    name = 1, type = 2, blobs = 7
    V1LayerParameter  name = 4, type = 5 (a number), blobs = 6
    BlobProto         num, channels, height, width = 1..4 (old), data = 5 (floats), shape = 7, double_data = 8
    BlobShape         dim = 1
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import MissingFileError, NetworkError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class CaffeLayer:
    """A layer with weights.

    Attributes:
        name: As in the prototxt.
        kind: Its type, such as "Convolution"; in old files a number.
        blobs: float32, in Caffe's order of axes (a convolution's kernel is (out, in, height, width)).
    """

    name: str
    kind: str
    blobs: tuple[NDArray[np.float32], ...]


def read_caffemodel(path: str) -> dict[str, CaffeLayer]:
    """The layers that have blobs, by name.

    Args:
        path: A local file.

    Raises:
        MissingFileError: If it is not there.
        NetworkError: If it is no caffemodel, or cut short.
    """
    if not Path(path).is_file():
        raise MissingFileError(
            f"the weights {path} (network.pretrained) are not there",
            "the path of a .caffemodel",
            "correct the path; it is read by the machine that trains",
        )
    try:
        layers = list(_layers(memoryview(Path(path).read_bytes())))
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"{path} cannot be read as a caffemodel: {error}",
            "a NetParameter message of Caffe, as its solver writes it",
            "fetch the file again; a .prototxt or .solverstate holds no weights",
        ) from error
    found = {layer.name: layer for layer in layers if layer.blobs}
    if not found:
        raise NetworkError(
            f"{path} holds no layer with weights",
            "a NetParameter message of Caffe, as its solver writes it",
            "give the .caffemodel, not the .prototxt or the .solverstate",
        )
    return found


def _layers(message: memoryview) -> Iterator[CaffeLayer]:
    for field, value in _fields(message):
        if field == 100 and isinstance(value, memoryview):
            yield _layer(value, name=1, kind=2, blobs=7)
        elif field == 2 and isinstance(value, memoryview):
            yield _layer(value, name=4, kind=5, blobs=6)


def _layer(message: memoryview, *, name: int, kind: int, blobs: int) -> CaffeLayer:
    texts = {name: "", kind: ""}
    arrays = []
    for field, value in _fields(message):
        if field in texts:
            texts[field] = str(value, "utf-8") if isinstance(value, memoryview) else str(value)
        elif field == blobs:
            arrays.append(_blob(_inner(value, field)))
    return CaffeLayer(texts[name], texts[kind], tuple(arrays))


def _blob(message: memoryview) -> NDArray[np.float32]:
    old_shape = [1, 1, 1, 1]
    shape: list[int] | None = None
    parts: list[NDArray[Any]] = []
    for field, value in _fields(message):
        if 1 <= field <= 4:
            old_shape[field - 1] = int(value)
        elif field == 5:
            # Packed, or (in very old files) one number a field.
            parts.append(np.frombuffer(_inner(value, field), "<f4"))
        elif field == 8:
            parts.append(np.frombuffer(_inner(value, field), "<f8"))
        elif field == 7:
            shape = _shape(_inner(value, field))
    data = np.concatenate(parts) if parts else np.zeros(0)
    return data.astype(np.float32).reshape(old_shape if shape is None else shape)


def _shape(message: memoryview) -> list[int]:
    sides: list[int] = []
    for field, value in _fields(message):
        if field != 1:
            continue
        if isinstance(value, memoryview):
            at = 0
            while at < len(value):
                side, at = _varint(value, at)
                sides.append(side)
        else:
            sides.append(int(value))
    return sides


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """(number, value) of the fields of a message: an int, or the bytes of the other wire types.

    Raises:
        ValueError: If the bytes are no message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at + length > len(message):
            raise ValueError(f"a field of {length} bytes at byte {at} of {len(message)}")
        yield number, message[at : at + length]
        at += length


def _inner(value: int | memoryview, field: int) -> memoryview:
    """The bytes of a field that holds a message or numbers."""
    if isinstance(value, int):
        raise ValueError(f"field {field} is the number {value}, where bytes should be")
    return value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at a place, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("it ends in the middle of a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {at}")
