"""The REST API's paths and JSON as calls of the model host, whatever carries them."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.embedded import json_answers, json_requests
from serving.embedded.model_host import ModelHost
from serving.embedded.status import Code, invalid_argument

_PREDICTION = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.IGNORECASE | re.ASCII
)
_STATUS = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?", re.IGNORECASE | re.ASCII
)
_HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


def http_status(code: Code) -> int:
    """The HTTP status that stands for a code; 500 for those that have none of their own."""
    return _HTTP_STATUS.get(code, 500)


class RestApi:
    """Answers requests below `/v1/`.

    Args:
        host: Does the work.
        timeout: Seconds for one request; None for ever.
    """

    def __init__(self, host: ModelHost, timeout: float | None) -> None:
        self._host = host
        self._timeout = timeout

    def answer(self, method: str, path: str, body: bytes) -> str:
        """The JSON for one request.

        Args:
            method: The HTTP method.
            path: Without query.
            body: Uncompressed.

        Raises:
            StatusError: If it fails.
        """
        match = (_PREDICTION if method == "POST" else _STATUS).fullmatch(path) if method in ("POST", "GET") else None
        if match is None:
            raise invalid_argument(f"Malformed request: {method} {path}")
        name, version, label, what = match.groups()
        if method == "POST":
            calls: dict[str, Callable[[Any, bytes], str]] = {
                "predict": self._predict,
                "classify": self._classify,
                "regress": self._regress,
            }
            # The stock server compares the verb with its case, although its pattern does not.
            if what not in calls:
                raise invalid_argument(f"Malformed request: {method} {path}")
            return calls[what](_model_spec(name, version, label), body)
        if not name:
            raise invalid_argument("Missing model name in request.")
        if what == "metadata":
            request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
            request.model_spec.CopyFrom(_model_spec(name, version, label))
            return json_answers.metadata_json(self._host.model_metadata(request))
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.CopyFrom(_model_spec(name, version, label))
        return json_answers.status_json(self._host.model_status(status))

    def _predict(self, spec: Any, body: bytes) -> str:
        document = json_requests.parse_document(body)
        request = predict_pb2.PredictRequest()
        request.model_spec.CopyFrom(spec)
        request.model_spec.signature_name = json_requests.signature_name(document)
        layout = json_requests.fill_predict_request(document, self._host.input_infos(request.model_spec), request)
        response = self._host.predict(request, self._timeout, "REST")
        return json_answers.predictions_json(response.outputs, layout)

    def _classify(self, spec: Any, body: bytes) -> str:
        request = self._with_examples(classification_pb2.ClassificationRequest(), spec, body)
        return json_answers.classifications_json(self._host.classify(request, self._timeout, "REST").result)

    def _regress(self, spec: Any, body: bytes) -> str:
        request = self._with_examples(regression_pb2.RegressionRequest(), spec, body)
        return json_answers.regressions_json(self._host.regress(request, self._timeout, "REST").result)

    @staticmethod
    def _with_examples(request: Any, spec: Any, body: bytes) -> Any:
        document = json_requests.parse_document(body)
        request.model_spec.CopyFrom(spec)
        request.model_spec.signature_name = json_requests.signature_name(document)
        json_requests.fill_examples(document, request.input)
        return request


def _model_spec(name: str, version: str | None, label: str | None) -> Any:
    spec = predict_pb2.PredictRequest().model_spec
    spec.name = unquote(name)
    if version:
        if len(version) > 19 or int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = unquote(label)
    return spec
