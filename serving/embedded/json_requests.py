"""The REST API's JSON as request messages."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from serving.embedded.status import Code, StatusError, invalid_argument
from serving.embedded.tensors import encode_tensor

Format = Literal["row", "columnar"]

_INT_RANGES = {
    # The stock server reads all of these with the range of int32.
    types_pb2.DT_INT32: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT16: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT8: (-(2**31), 2**31 - 1),
    types_pb2.DT_UINT8: (-(2**31), 2**31 - 1),
    types_pb2.DT_INT64: (-(2**63), 2**63 - 1),
    types_pb2.DT_UINT32: (0, 2**32 - 1),
    types_pb2.DT_UINT64: (0, 2**64 - 1),
}
_DIGITS = {types_pb2.DT_FLOAT: 24, types_pb2.DT_DOUBLE: 53}
_LONGEST_TEXT = 1024  # characters, as in the messages of gRPC
_MOST_DIMENSIONS = 254  # of a TensorFlow tensor
_CHECKED = {*_INT_RANGES, *_DIGITS, types_pb2.DT_BOOL}


def parse_document(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body; NaN and Infinity are numbers.

    Raises:
        StatusError: INVALID_ARGUMENT if it is none.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body, parse_int=_number)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: Invalid value. at offset: {error.pos}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise invalid_argument(f"JSON Parse error: {error}", quotes_request=True) from error
    except OverflowError as error:
        raise invalid_argument("JSON Parse error: Number too big to be stored in double.") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_text(document)} Is not object", quotes_request=True)
    return document


def _number(digits: str) -> int | float:
    """An integer of 64 bits, signed or not, or the nearest double, as the stock server's parser reads them."""
    if len(digits) > 20:
        number = float(digits)
        if math.isinf(number):
            raise OverflowError
        return number
    integer = int(digits)
    return integer if -(2**63) <= integer < 2**64 else float(integer)


def signature_name(document: Mapping[str, Any]) -> str:
    """The document's `signature_name`, or the empty string.

    Raises:
        StatusError: INVALID_ARGUMENT if it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _refused(
            f"JSON Value: {_text(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def fill_predict_request(document: Mapping[str, Any], infos: Mapping[str, Any], request: Any) -> Format:
    """Writes the inputs of a `PredictRequest`.

    Args:
        document: With `instances` (row format) or `inputs` (columnar format).
        infos: The signature's inputs, name -> `TensorInfo`.
        request: The `PredictRequest`.

    Returns:
        The format that the answer has to have.

    Raises:
        StatusError: INVALID_ARGUMENT if the document does not fit the signature.
    """
    if "instances" in document and "inputs" in document:
        raise _refused(
            f"JSON Value: {_text(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys "
            "to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise _refused(f"JSON Value: {_text(document)} Excepting 'instances' to be an list/array")  # sic
        if not instances:
            raise _refused(f"JSON Value: {_text(document)} No values in 'instances' array")
        _fill_rows(instances, infos, request)
        return "row"
    if "inputs" in document:
        inputs = document["inputs"]
        if not isinstance(inputs, dict) or _is_base64(inputs):
            if len(infos) > 1:
                raise _refused(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                    "tensorinfo_map"
                )
            inputs = {next(iter(infos)): inputs}
        for name, info in infos.items():
            if name not in inputs:
                raise _refused(f"Missing named input: {name} in 'inputs' object.")
            _fill_column(inputs[name], info.dtype, request.inputs[name])
        return "columnar"
    raise _refused("Missing 'inputs' or 'instances' key")


def fill_examples(document: Mapping[str, Any], source: Any) -> None:
    """Writes the `Input` of a classification or regression request from `context` and `examples`.

    Raises:
        StatusError: INVALID_ARGUMENT if the document holds no examples.
    """
    target = source.example_list
    if "context" in document:
        target = source.example_list_with_context
        _fill_example(document["context"], target.context)
    if "examples" not in document:
        raise _refused(
            f"JSON Value: {_text(document)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise _refused(f"JSON Value: {_text(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise _refused(f"JSON Value: {_text(document)} 'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_rows(instances: list[Any], infos: Mapping[str, Any], request: Any) -> None:
    """Each element of `instances` is one row of each input; all rows of an input have one shape."""
    are_objects = _is_named(instances[0])
    if not isinstance(instances[0], dict) and len(infos) > 1:
        raise _refused(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    leaves: dict[str, list[Any]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for number, element in enumerate(instances):
        if not are_objects:
            if _is_named(element):
                raise _refused(f"Expecting value/list but got object at item {number} of input list")
            name = next(iter(infos))
            _add_row(element, infos[name].dtype, name, leaves, shapes, f"element: {number}")
            continue
        if not _is_named(element):
            raise _refused(f"Expecting object but got list at item {number} of input list")
        for name, value in element.items():
            place = f"element: {number} key: {name}"
            if name not in infos:
                raise _in_row(place, invalid_argument(f"JSON object: does not have named input: {name}"))
            _add_row(value, infos[name].dtype, name, leaves, shapes, place)
        if set(element) != set(infos):
            raise _refused(
                f"Failed to process element: {number} of 'instances' list. JSON object: {_text(element)} keys must be "
                f"equal to: {','.join(sorted(infos))}"
            )
    for name, values in leaves.items():
        _fill_tensor(values, (len(instances), *shapes[name]), infos[name].dtype, request.inputs[name])


def _add_row(
    value: Any,
    dtype: int,
    name: str,
    leaves: dict[str, list[Any]],
    shapes: dict[str, tuple[int, ...]],
    place: str,
) -> None:
    shape, values = _shape(value), leaves.setdefault(name, [])
    before = len(values)
    try:
        _collect(value, 0, shape, dtype, values)
        first, size = shapes.setdefault(name, shape), len(values) - before
        if size != math.prod(first):
            raise _refused(f"Expecting tensor size: {math.prod(first)} but got: {size}")
        if shape != first:
            raise _refused(f"Expecting shape {_shape_text(first)} but got: {_shape_text(shape)}")
    except StatusError as error:
        raise _in_row(place, error) from error


def _in_row(place: str, error: StatusError) -> StatusError:
    return _refused(f"Failed to process {place} of 'instances' list. Error: {error}")


def _fill_tensor(leaves: list[Any], shape: tuple[int, ...], dtype: int, proto: Any) -> None:
    if dtype == types_pb2.DT_STRING:
        array = np.empty(len(leaves), object)
        array[:] = leaves
    else:
        numpy_dtype = tf.dtypes.as_dtype(dtype).as_numpy_dtype
        # Through 64 bits: a value beyond the type wraps as the stock server's assignment does.
        wide = np.uint64 if dtype == types_pb2.DT_UINT64 else np.int64
        array = np.array(leaves, wide).astype(numpy_dtype) if dtype in _INT_RANGES else np.array(leaves, numpy_dtype)
    try:
        encode_tensor(array.reshape(shape), dtype, proto)
    except ValueError as error:  # more dimensions than an array has
        raise _refused(f"Cannot make a tensor of shape {_shape_text(shape)}") from error


def _fill_column(value: Any, dtype: int, proto: Any) -> None:
    shape, leaves = _shape(value), list[Any]()
    _collect(value, 0, shape, dtype, leaves)
    _fill_tensor(leaves, shape, dtype, proto)


def _collect(value: Any, level: int, shape: tuple[int, ...], dtype: int, leaves: list[Any]) -> None:
    """Appends the values in a nested list, checked for `dtype`, strings as bytes."""
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise _refused(
                f"JSON Value: {_text(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {rank}"
            )
        leaves.append(_leaf(value, dtype))
        return
    if level >= rank:
        raise _refused(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise _refused(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == rank - 1 and not any(isinstance(item, list) for item in value):
        leaves.extend([_leaf(item, dtype) for item in value])
        return
    for item in value:
        _collect(item, level + 1, shape, dtype, leaves)


def _leaf(value: Any, dtype: int) -> Any:
    if dtype == types_pb2.DT_STRING:
        return _string(value)
    if dtype in _CHECKED:
        _check_number(value, dtype)
        return value
    raise StatusError(
        Code.UNIMPLEMENTED,
        f"Conversion of JSON Value: {_text(value)} to type: {_dtype_name(dtype)}",
        quotes_request=True,
    )


def _check_number(value: Any, dtype: int) -> None:
    if dtype == types_pb2.DT_BOOL:
        if not isinstance(value, bool):
            raise _type_error(value, dtype)
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _type_error(value, dtype)
    if dtype in _INT_RANGES:
        low, high = _INT_RANGES[dtype]
        if not isinstance(value, int) or not low <= value <= high:
            raise _type_error(value, dtype)
        return
    digits = _DIGITS[dtype]
    if isinstance(value, int):
        lossless = abs(value) <= 2**digits - 1
    else:
        lossless = not math.isfinite(value) or digits == 53 or abs(value) <= float(np.finfo(np.float32).max)
    if not lossless:
        name = "float" if digits == 24 else "double"
        raise _refused(f"Cannot convert JSON value: {_text(value)} to {name} without loss of precision.")


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict):
        return _base64(value)
    raise _type_error(value, types_pb2.DT_STRING)


def _base64(value: dict[str, Any]) -> bytes:
    if not _is_base64(value):
        raise _refused(f"JSON Value: {_text(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)  # the stock server wants no padding
    except (binascii.Error, ValueError) as error:
        raise _refused("Unable to base64 decode") from error


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise _refused(f"Example must be JSON object but got JSON {_type_name(value)}")
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add_to_feature(item, name, feature)


def _add_to_feature(value: Any, name: str, feature: Any) -> None:
    if isinstance(value, str) or _is_base64(value):
        kind, item = "bytes_list", _string(value)
    elif isinstance(value, (bool, int)):
        if not isinstance(value, bool) and not -(2**63) <= value < 2**63:
            raise _refused(f"Feature: {name} has uint64 element. Only int64 is supported.")
        kind, item = "int64_list", int(value)  # type: ignore[assignment]
    elif isinstance(value, float):
        _check_number(value, types_pb2.DT_FLOAT)
        kind, item = "float_list", value  # type: ignore[assignment]
    else:
        raise _refused(f"Feature: {name} has element with unexpected JSON type: {_type_name(value)}")
    have = feature.WhichOneof("kind")
    if have is not None and have != kind:
        raise _refused(f"Unexpected element type in feature: {name} expecting type: {have.removesuffix('_list')}")
    getattr(feature, kind).value.append(item)


def _shape(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        if len(shape) > _MOST_DIMENSIONS:
            raise _refused(f"Lists are nested more than {_MOST_DIMENSIONS} deep")
        value = value[0]
    return tuple(shape)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _type_error(value: Any, dtype: int) -> StatusError:
    return _refused(
        f"JSON Value: {_text(value)} Type: {_type_name(value)} is not of expected type: {_dtype_name(dtype)}"
    )


def _dtype_name(dtype: int) -> str:
    """As TensorFlow's C++ side names it."""
    names = {types_pb2.DT_FLOAT: "float", types_pb2.DT_DOUBLE: "double"}
    return names.get(dtype) or str(tf.dtypes.as_dtype(dtype).name)


def _refused(message: str) -> StatusError:
    return invalid_argument(message, quotes_request=True)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return {type(None): "Null", dict: "Object", list: "Array", str: "String"}.get(type(value), "Number")


def _text(value: Any) -> str:
    """A value for an error message, as much of it as a reader takes in."""
    pieces, length = list[str](), 0
    try:
        for piece in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
            pieces.append(piece[:_LONGEST_TEXT])
            length += len(piece)
            if length > _LONGEST_TEXT:
                return "".join(pieces)[:_LONGEST_TEXT] + "...TRUNCATED"
    except RecursionError:
        pieces.append("...")
    return "".join(pieces)
