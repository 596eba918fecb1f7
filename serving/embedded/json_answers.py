"""Response messages as the REST API's JSON."""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.embedded.json_requests import Format
from serving.embedded.status import invalid_argument
from serving.embedded.tensors import decode_tensor

_BYTES_SUFFIX = "_bytes"


def predictions_json(outputs: Mapping[str, Any], layout: Format) -> str:
    """The answer to `:predict`: `predictions` row by row, or `outputs` tensor by tensor.

    Args:
        outputs: Name -> `TensorProto`.
        layout: The request's.

    Raises:
        StatusError: INVALID_ARGUMENT if the tensors cannot be laid out so.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    arrays = {name: decode_tensor(name, outputs[name]) for name in sorted(outputs)}
    if layout == "columnar":
        texts = {name: _array_text(name, array, outputs[name].dtype) for name, array in arrays.items()}
        only = next(iter(texts.values()))
        return '{\n    "outputs": ' + (only if len(texts) == 1 else _object_text(texts)) + "\n}"
    rows = -1
    for name, array in arrays.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if not len(array):
            raise invalid_argument(f"Tensor name: {name} has invalid batch size: 0")
        if rows not in (-1, len(array)):
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)
    entries = []
    for row in range(rows):
        texts = {
            name: _array_text(name, array[row : row + 1], outputs[name].dtype)[1:-1] for name, array in arrays.items()
        }
        entries.append(next(iter(texts.values())) if len(texts) == 1 else _object_text(texts))
    return '{\n    "predictions": [' + ", ".join(entries) + "\n    ]\n}"


def classifications_json(result: Any) -> str:
    """The answer to `:classify`: for each example `[label, score]` pairs.

    Raises:
        StatusError: INVALID_ARGUMENT if there are none.
    """
    if not result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    rows = [
        "[" + ", ".join(f"[{json.dumps(one.label)}, {decimal(one.score)}]" for one in entry.classes) + "]"
        for entry in result.classifications
    ]
    return '{\n    "results": [' + ", ".join(rows) + "\n    ]\n}"


def regressions_json(result: Any) -> str:
    """The answer to `:regress`: one value an example.

    Raises:
        StatusError: INVALID_ARGUMENT if there are none.
    """
    if not result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    values = ", ".join(decimal(entry.value) for entry in result.regressions)
    return '{\n    "results": [' + values + "]\n}"


def status_json(response: Any) -> str:
    """A `GetModelStatusResponse` as JSON, defaults included."""
    return _message_text(response, keep_names=False)


def metadata_json(response: Any) -> str:
    """A `GetModelMetadataResponse` as JSON, the signatures unpacked."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    spec = _message_text(response.model_spec, keep_names=True)
    return (
        f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {_message_text(signatures, keep_names=True)}}}\n}}\n'
    )


def error_json(message: str) -> str:
    """The body of a failed request."""
    return json.dumps({"error": message}, indent=4, ensure_ascii=False)


def decimal(value: float) -> str:
    """A float32 as the stock server writes it: six digits, or nine where six do not come back as the same number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if np.float32(text) != np.float32(value):
        text = f"{value:.9g}"
    return text if "." in text or "e" in text else text + ".0"


def _double(value: float) -> str:
    if not math.isfinite(value):
        return decimal(value)
    text = f"{value:g}"
    if float(text) != value:
        text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + ".0"


def _array_text(name: str, array: NDArray[Any], dtype: int) -> str:
    if dtype in (types_pb2.DT_FLOAT, types_pb2.DT_HALF, types_pb2.DT_BFLOAT16):
        leaves = [decimal(value) for value in array.astype(np.float32).ravel().tolist()]
    elif dtype == types_pb2.DT_DOUBLE:
        leaves = [_double(value) for value in array.ravel().tolist()]
    elif dtype == types_pb2.DT_STRING:
        as_bytes = name.endswith(_BYTES_SUFFIX)
        leaves = [_string_text(value, as_bytes) for value in array.ravel().tolist()]
    elif array.dtype.kind in "iub":
        leaves = [json.dumps(value) for value in array.ravel().tolist()]
    else:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    for size in reversed(array.shape):
        if size == 0:
            leaves = ["[]"] * max(1, math.prod(array.shape[: array.shape.index(0)]))
            continue
        leaves = ["[" + ", ".join(leaves[start : start + size]) + "]" for start in range(0, len(leaves), size)]
    return leaves[0]


def _string_text(value: bytes, as_bytes: bool) -> str:
    if as_bytes:
        return json.dumps({"b64": base64.b64encode(value).decode()})
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def _object_text(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def _message_text(message: Any, keep_names: bool) -> str:
    options: dict[str, Any] = {"preserving_proto_field_name": keep_names, "indent": 1}
    try:
        text: str = json_format.MessageToJson(message, including_default_value_fields=True, **options)
    except TypeError:  # protobuf 5 renamed it
        text = json_format.MessageToJson(message, always_print_fields_with_no_presence=True, **options)
    return text + "\n"
