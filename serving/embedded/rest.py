"""The REST API and the Prometheus page: the model host over HTTP/1.1."""

import gzip
import logging
import re
import threading
import time
import zlib
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from serving.embedded.failures import log_failure
from serving.embedded.model_host import ModelHost
from serving.embedded.status import Code, StatusError, invalid_argument, not_found

_log = logging.getLogger(__name__)

_PREDICTION = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)", re.IGNORECASE
)
_STATUS = re.compile(r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?", re.IGNORECASE)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
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
_LONGEST_BODY = 2**31 - 1


class RestServer:
    """Serves the REST API in threads of its own.

    Args:
        host: Answers the requests.
        address: (host, port) to listen on; port 0 lets the system choose.
        timeout: Seconds for one request.
        cors: Answer with CORS headers.
        metrics_path: Where the Prometheus page is; empty for nowhere.

    Raises:
        OSError: If the port cannot be opened.
    """

    def __init__(
        self, host: ModelHost, address: tuple[str, int], timeout: float, cors: bool = False, metrics_path: str = ""
    ) -> None:
        api = _Api(host, timeout)

        class Handler(_Handler):
            pass

        Handler.api, Handler.cors, Handler.metrics_path, Handler.metrics_page = (
            api,
            cors,
            metrics_path,
            staticmethod(host.metrics.exposition),
        )
        self._server = _Server(address, Handler)
        Handler.running = self._server.running
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="rest", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self, drain_seconds: float) -> None:
        """Stops accepting and waits for what runs, but no longer than `drain_seconds`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.running.drain(drain_seconds)
        self._server.server_close()


class _Running:
    """How many requests are being answered."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Waits until it is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # idle connections end with the process
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.running = _Running()
        super().__init__(address, handler)


class _Api:
    """Paths and JSON to host calls."""

    def __init__(self, host: ModelHost, timeout: float) -> None:
        self._host = host
        self._timeout = timeout

    def answer(self, method: str, path: str, body: bytes) -> str:
        """The JSON for one request.

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
        if what:
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
        if int(version) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = unquote(label)
    return spec


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60  # of an idle connection, in seconds
    api: _Api
    running: _Running
    cors: bool
    metrics_path: str
    metrics_page: Callable[[], str]

    def do_GET(self) -> None:
        with self.running:
            self._handle()

    do_POST = do_GET

    def do_OPTIONS(self) -> None:
        if self.cors:
            self._send(200, "", "text/plain")
        else:
            self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)

    def _handle(self) -> None:
        path = self.path.partition("?")[0]
        started = time.monotonic()
        try:
            body = self._body()
            if self.metrics_path and path == self.metrics_path:
                self._send(200, type(self).metrics_page(), "text/plain")
                return
            if not path.lower().startswith("/v1/"):
                raise not_found(f"Not found: {path}")
            text = self.api.answer(self.command, path, body)
        except StatusError as error:
            failure = error
        except Exception as error:  # the server goes on
            _log.exception("unexpected failure in %s", path)
            failure = StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
        else:
            self._send(200, text, "application/json")
            return
        log_failure(f"{self.command} {path}", "", failure, time.monotonic() - started)
        self._send(_HTTP_STATUS.get(failure.code, 500), json_answers.error_json(failure.message), "application/json")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LONGEST_BODY:
            self.close_connection = True
            raise invalid_argument(f"Malformed request: Content-Length {length}")
        body = self.rfile.read(int(length))
        if self.headers.get("Content-Encoding", "").lower() == "gzip":
            try:
                return gzip.decompress(body)
            except (OSError, EOFError, zlib.error) as error:
                raise invalid_argument("Malformed request: the body is no gzip") from error
        return body

    def _send(self, status: int, text: str, kind: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        known = status in {one.value for one in HTTPStatus}
        self.send_response(status, None if known else "Client Closed Request")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in _CORS.items() if self.cors else ():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
