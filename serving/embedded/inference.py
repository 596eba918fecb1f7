"""PredictionService.Classify, Regress and MultiInference on one loaded version: Examples in, labels or values out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.embedded.batching_session import Session
from serving.embedded.method_names import CLASSIFY_METHOD, REGRESS_METHOD
from serving.embedded.predict import DEFAULT_SIGNATURE, fill_model_spec
from serving.embedded.status import Code, StatusError, invalid_argument

_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"

Signatures = Mapping[str, Any]


def classify(signatures: Signatures, session: Session, request: Any, version: int, timeout: float | None = None) -> Any:
    """Answers a `ClassificationRequest` with a `ClassificationResponse`.

    Raises:
        StatusError: With the stock server's codes and texts.
    """
    name, signature = _signature(signatures, request.model_spec.signature_name)
    input_tensor, outputs = _classification_tensors(signature)
    examples = serialized_examples(request.input)
    results = session.run({input_tensor: examples}, list(outputs.values()), timeout)
    response = classification_pb2.ClassificationResponse()
    fill_model_spec(response.model_spec, request.model_spec.name, version, name)
    _fill_classifications(response.result, dict(zip(outputs, results, strict=True)), len(examples))
    return response


def regress(signatures: Signatures, session: Session, request: Any, version: int, timeout: float | None = None) -> Any:
    """Answers a `RegressionRequest` with a `RegressionResponse`.

    Raises:
        StatusError: With the stock server's codes and texts.
    """
    name, signature = _signature(signatures, request.model_spec.signature_name)
    input_tensor, output_tensor = _regression_tensors(signature)
    examples = serialized_examples(request.input)
    (values,) = session.run({input_tensor: examples}, [output_tensor], timeout)
    response = regression_pb2.RegressionResponse()
    fill_model_spec(response.model_spec, request.model_spec.name, version, name)
    _fill_regressions(response.result, values, len(examples))
    return response


def multi_inference(
    signatures: Signatures, session: Session, request: Any, version: int, timeout: float | None = None
) -> Any:
    """Answers a `MultiInferenceRequest`, all its tasks in one run, with a `MultiInferenceResponse`.

    Raises:
        StatusError: With the stock server's codes and texts.
    """
    model_name, seen = "", set()
    input_tensors: set[str] = set()
    fetches: dict[str, None] = {}
    plans: list[tuple[Any, dict[str, str]]] = []
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if model_name and task.model_spec.name != model_name:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        model_name = task.model_spec.name
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        if task.method_name == CLASSIFY_METHOD:
            input_tensor, outputs = _classification_tensors(signatures[name])
        elif task.method_name == REGRESS_METHOD:
            input_tensor, output = _regression_tensors(signatures[name])
            outputs = {_OUTPUTS: output}
        else:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        input_tensors.add(input_tensor)
        fetches.update(dict.fromkeys(outputs.values()))
        plans.append((task, outputs))
    examples = serialized_examples(request.input)
    results = session.run(dict.fromkeys(sorted(input_tensors), examples), list(fetches), timeout)
    by_tensor = dict(zip(fetches, results, strict=True))
    response = inference_pb2.MultiInferenceResponse()
    for task, outputs in plans:
        result = response.results.add()
        values = {alias: by_tensor[tensor] for alias, tensor in outputs.items()}
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        fill_model_spec(result.model_spec, task.model_spec.name, version, name)
        if task.method_name == CLASSIFY_METHOD:
            _fill_classifications(result.classification_result, values, len(examples))
        else:
            _fill_regressions(result.regression_result, values[_OUTPUTS], len(examples))
    return response


def serialized_examples(source: Any) -> NDArray[Any]:
    """The serialised Examples `[count]` (object array of bytes) of an `Input`, each after its context if there is one.

    Two serialised messages one after the other parse as their merge.

    Raises:
        StatusError: INVALID_ARGUMENT if there are none.
    """
    kind = source.WhichOneof("kind")
    rows: list[bytes] = []
    if kind == "example_list":
        rows = [example.SerializeToString() for example in source.example_list.examples]
    elif kind == "example_list_with_context":
        context = source.example_list_with_context.context.SerializeToString()
        rows = [context + example.SerializeToString() for example in source.example_list_with_context.examples]
    if not rows:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def _signature(signatures: Signatures, name: str) -> tuple[str, Any]:
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return name, signatures[name]


def _classification_tensors(signature: Any) -> tuple[str, dict[str, str]]:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if _INPUTS not in signature.inputs:
        raise invalid_argument("No classification inputs found in SignatureDef: " + str(signature))
    outputs = {alias: signature.outputs[alias].name for alias in (_CLASSES, _SCORES) if alias in signature.outputs}
    if not outputs:
        raise invalid_argument(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            "Signature was: " + str(signature)
        )
    return signature.inputs[_INPUTS].name, outputs


def _regression_tensors(signature: Any) -> tuple[str, str]:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if _INPUTS not in signature.inputs:
        raise invalid_argument("No regression inputs found in SignatureDef: " + str(signature))
    if _OUTPUTS not in signature.outputs:
        raise invalid_argument("No regression outputs found in SignatureDef: " + str(signature))
    return signature.inputs[_INPUTS].name, signature.outputs[_OUTPUTS].name


def _fill_classifications(result: Any, values: Mapping[str, NDArray[Any]], count: int) -> None:
    classes, scores = values.get(_CLASSES), values.get(_SCORES)
    if classes is not None:
        _check_rows(_CLASSES, classes, count, types_pb2.DT_STRING)
    if scores is not None:
        _check_rows(_SCORES, scores, count, types_pb2.DT_FLOAT)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    for row in range(count):
        entry = result.classifications.add()
        width = (classes if classes is not None else scores).shape[1]  # type: ignore[union-attr]
        for column in range(width):
            one = entry.classes.add()
            if classes is not None:
                one.label = classes[row, column].decode("utf-8", "replace")
            if scores is not None:
                one.score = scores[row, column]


def _fill_regressions(result: Any, values: NDArray[Any], count: int) -> None:
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            + _shape_text(values.shape)
        )
    if values.shape[0] != count:
        raise invalid_argument(f"Input batch size did not match output batch size: {count} vs. {values.shape[0]}")
    if values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {types_pb2.DataType.Name(_tf_type(values))}")
    for value in values.ravel().tolist():
        result.regressions.add().value = value


def _check_rows(alias: str, array: NDArray[Any], count: int, dtype: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape_text(array.shape)}")
    if _tf_type(array) != dtype:
        raise invalid_argument(
            f"Expected {alias} Tensor of {types_pb2.DataType.Name(dtype)}. Got: "
            f"{types_pb2.DataType.Name(_tf_type(array))}"
        )
    if array.shape[0] != count:
        raise invalid_argument(f"Expected {alias} output batch size of {count}. Got: {array.shape[0]}")


def _tf_type(array: NDArray[Any]) -> int:
    number: int = tf.dtypes.as_dtype(array.dtype).as_datatype_enum
    return number


def _shape_text(shape: Sequence[int]) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
