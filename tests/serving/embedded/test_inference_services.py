"""Classify, Regress and MultiInference over real gRPC."""

from collections.abc import Callable
from typing import Any

import pytest
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from tests.serving.embedded.wire import SECONDS, Wire, failure_of


def fill_examples(source: Any, values: list[float], with_context: bool = False) -> None:
    examples = source.example_list_with_context if with_context else source.example_list
    if with_context and values:
        examples.context.features.feature["x"].float_list.value.append(values[0])
        for _ in values:
            examples.examples.add()
        return
    for value in values:
        examples.examples.add().features.feature["x"].float_list.value.append(value)


def classify(wire: Wire, signature: str, values: list[float]) -> Any:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    fill_examples(request.input, values)
    return wire.prediction.Classify(request, SECONDS)


def regress(wire: Wire, signature: str, values: list[float], with_context: bool = False) -> Any:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    fill_examples(request.input, values, with_context)
    return wire.prediction.Regress(request, SECONDS)


def test_classify_gives_scores_and_labels(wire: Wire) -> None:
    answer = classify(wire, "labelled", [2.0, 4.0])
    assert [[(c.label, c.score) for c in one.classes] for one in answer.result.classifications] == [
        [("3.000000", 3)],
        [("4.000000", 4)],
    ]
    assert answer.model_spec.signature_name == "labelled"
    assert classify(wire, "classify", [2.0]).result.classifications[0].classes[0].score == 3


def test_regress_gives_values_of_examples_and_their_context(wire: Wire) -> None:
    assert [r.value for r in regress(wire, "regress", [2.0, 4.0]).result.regressions] == [3, 4]
    assert [r.value for r in regress(wire, "regress", [6.0, 6.0], True).result.regressions] == [5, 5]


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (lambda w: classify(w, "s", [1.0]), "INVALID_ARGUMENT", "No signature was found with the name: s"),
        (lambda w: regress(w, "s", [1.0]), "INVALID_ARGUMENT", "No signature was found with the name: s"),
        (lambda w: classify(w, "classify", []), "INVALID_ARGUMENT", "Input is empty."),
        (lambda w: regress(w, "two_inputs", [1.0]), "INVALID_ARGUMENT", "Expected one input Tensor."),
        (lambda w: regress(w, "labelled", [1.0]), "INVALID_ARGUMENT", "Expected one output Tensor."),
    ],
)
def test_classify_and_regress_fail_as_the_stock_server_does(
    wire: Wire, call: Callable[[Wire], Any], code: str, text: str
) -> None:
    assert failure_of(lambda: call(wire)) == (code, text)


def multi_inference(wire: Wire, *tasks: tuple[str, str, str]) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for name, signature, method in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = name, signature
    fill_examples(request.input, [2.0])
    return wire.prediction.MultiInference(request, SECONDS)


def test_multi_inference_answers_every_task(wire: Wire) -> None:
    answer = multi_inference(wire, ("m", "regress", "regress"), ("m", "classify", "classify"))
    assert answer.results[0].regression_result.regressions[0].value == 3
    assert answer.results[1].classification_result.classifications[0].classes[0].score == 3
    assert [result.model_spec.signature_name for result in answer.results] == ["regress", "classify"]


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        (
            [("m", "regress", "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        (
            [("m", "regress", "regress"), ("q", "classify", "classify")],
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        ([("m", "regress", "regress")] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature: regress"),
        ([("m", "s", "regress")], "INVALID_ARGUMENT", "Requested signature not found in model graph: s"),
    ],
)
def test_multi_inference_fails_as_the_stock_server_does(wire: Wire, tasks: list, code: str, text: str) -> None:
    assert failure_of(lambda: multi_inference(wire, *tasks)) == (code, text)
