"""The REST API and the Prometheus page over HTTP/1.1: connections, threads, and draining."""

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serving.embedded import json_answers
from serving.embedded.failures import log_failure, unexpected_failure
from serving.embedded.model_host import ModelHost
from serving.embedded.options import ServerOptions
from serving.embedded.request_limits import rest_threads
from serving.embedded.rest_api import RestApi, http_status
from serving.embedded.rest_body import BodyError, read_body
from serving.embedded.status import StatusError, invalid_argument, not_found, unavailable

_log = logging.getLogger(__name__)

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
_MOST_CONNECTIONS = 1024
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RestServer:
    """Serves the REST API, a thread a connection.

    Args:
        host: Answers the requests.
        options: Address, port, threads, timeout.
        metrics_path: Where the Prometheus page is; empty for nowhere.

    Attributes:
        port: Where it listens.

    Raises:
        OSError: If the port cannot be opened.
    """

    def __init__(self, host: ModelHost, options: ServerOptions, metrics_path: str = "") -> None:
        seconds = options.rest_api_timeout_in_ms / 1000 or None
        pages: dict[str, Callable[[], str]] = {metrics_path: host.metrics.exposition} if metrics_path else {}
        working = _Working(rest_threads(options))

        class Handler(_Handler):
            pass

        Handler.api, Handler.pages, Handler.working = RestApi(host, seconds), pages, working
        Handler.cors = options.rest_api_enable_cors_support
        self._working = working
        self._server = _Server((options.bind_address, options.rest_api_port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="rest", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self, drain_seconds: float) -> None:
        """Stops accepting and waits for what runs, but no longer than `drain_seconds`."""
        self._working.drain()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._working.wait(drain_seconds)
        self._server.server_close()
        self._server.close_connections()


class _Working:
    """How many requests are being answered, from their first line to the last byte of the answer."""

    def __init__(self, threads: int) -> None:
        self.threads = threading.Semaphore(threads)
        self.draining = False
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def drain(self) -> None:
        """Refuses what comes from now on."""
        with self._changed:
            self.draining = True

    def wait(self, seconds: float) -> None:
        """Waits until none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            full = len(self._connections) >= _MOST_CONNECTIONS
            if not full:
                self._connections.add(request)
        if full:
            request.setblocking(False)
            try:
                request.send(_BUSY)
            except OSError as error:
                _log.debug("%s", error)  # gone already
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Ends the connections on which nothing is being answered, and their threads with them."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("%s", error)  # gone already

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A connection that broke; what goes wrong in a request is answered and logged in the handler.
        _log.debug("%s %s: %r", request, client_address, sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "eoseg-model-server", ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body of a small answer in one packet
    timeout = 60  # seconds that a connection may be idle, or a peer may not read or write
    api: RestApi
    working: _Working
    cors: bool
    pages: dict[str, Callable[[], str]]
    command = ""

    def do_GET(self) -> None:
        with self.working:
            self._handle()
            self.wfile.flush()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def do_OPTIONS(self) -> None:
        if self.cors:
            self._send(200, "", "text/plain")
        else:
            self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no HTTP request: the standard library's own refusals, in this API's form."""
        self.close_connection = True
        self.request_version = self.protocol_version  # it may be one that answers without a head
        failure = invalid_argument(message or explain or HTTPStatus(code).phrase, quotes_request=True)
        log_failure("no HTTP request", "", failure, 0.0)
        self._send(int(code), json_answers.error_json(failure.message), "application/json")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)

    def _handle(self) -> None:
        path = self.path.partition("?")[0]
        started = time.monotonic()
        try:
            if self.working.draining:
                self.close_connection = True
                raise unavailable("the server is shutting down")
            body = read_body(self.headers, self.rfile)
            page = self.pages.get(path)
            if page is not None:
                self._send(200, page(), "text/plain")
                return
            if not path.lower().startswith("/v1/"):
                raise not_found(f"Not found: {path}")
            with self.working.threads:
                text = self.api.answer(self.command, path, body)
        except BodyError as error:
            self.close_connection = True
            if error.failure is None:
                return
            failure = error.failure
        except StatusError as error:
            failure = error
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as error:  # the server goes on; the caller learns the kind, the log the place
            failure = unexpected_failure(path, error)
        else:
            self._send(200, text, "application/json")
            return
        log_failure(f"{self.command} {path}", "", failure, time.monotonic() - started)
        self._send(http_status(failure.code), json_answers.error_json(failure.message), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        data = _encoded(text)
        known = status in {one.value for one in HTTPStatus}
        self.send_response(status, None if known else "Client Closed Request")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection or self.working.draining:
            self.send_header("Connection", "close")
        for name, value in _CORS.items() if self.cors else ():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes that were no UTF-8 come back as they were
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
