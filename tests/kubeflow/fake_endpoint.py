"""A Kubeflow Pipelines API server of the tests: REST v2beta1, as the kfp client calls it, over real HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

API = "/apis/v2beta1"


class FakeEndpoint:
    """Serves while it is open.

    Args:
        token: Requests without it are refused with 401; None takes any.
        states: What a run's state is at each look, the last one for good; a number is an answer of that HTTP code.
        log_in_page: Answers every request as a log-in does that stands before the API.
    """

    def __init__(
        self, token: str | None = None, states: tuple[str, ...] = ("SUCCEEDED",), log_in_page: bool = False
    ) -> None:
        self.token, self.states, self.log_in_page = token, list(states), log_in_page
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: list[dict[str, Any]] = []
        self.schedules: list[dict[str, Any]] = []
        self.refuse_runs: str | None = None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(*endpoint.get(self.path, self.headers.get("Authorization")))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(*endpoint.post(self.path, body, self.headers.get("Authorization")))

            def answer(self, code: int, body: Any) -> None:
                page = isinstance(body, str)
                data = body.encode() if page else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/html" if page else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Nothing: the terminal is the tests'."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeEndpoint":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def get(self, path: str, authorization: str | None) -> tuple[int, Any]:
        refused = self._refused(authorization)
        if refused:
            return refused
        url = urlparse(path)
        if url.path == f"{API}/healthz":
            return 200, {"multi_user": False}
        if url.path == f"{API}/experiments":
            (predicate,) = json.loads(parse_qs(url.query)["filter"][0])["predicates"]
            name = predicate["stringValue"]
            return 200, {"experiments": [self.experiments[name]]} if name in self.experiments else {}
        if url.path.startswith(f"{API}/runs/"):
            run = next(run for run in self.runs if run["run_id"] == url.path.rpartition("/")[2])
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if state.isdecimal():
                return int(state), {"error": "not now"}
            failed = {"error": {"code": 13, "message": "step Trainer ran out of memory"}} if state == "FAILED" else {}
            return 200, {**run, "state": state, **failed}
        return 404, {"error": f"no {url.path}"}

    def post(self, path: str, body: dict[str, Any], authorization: str | None) -> tuple[int, Any]:
        refused = self._refused(authorization)
        if refused:
            return refused
        if path == f"{API}/experiments":
            made = {**body, "experiment_id": f"experiment-{len(self.experiments) + 1}"}
            self.experiments[body["display_name"]] = made
            return 200, made
        if path == f"{API}/runs":
            if self.refuse_runs:
                return 400, {"error": self.refuse_runs, "code": 3}
            self.runs.append({**body, "run_id": f"run-{len(self.runs) + 1}"})
            return 200, {**self.runs[-1], "state": "PENDING"}
        if path == f"{API}/recurringruns":
            self.schedules.append({**body, "recurring_run_id": f"schedule-{len(self.schedules) + 1}"})
            return 200, self.schedules[-1]
        return 404, {"error": f"no {path}"}

    def _refused(self, authorization: str | None) -> tuple[int, Any] | None:
        if self.log_in_page:
            return 200, "<!doctype html><html><body>Log in</body></html>"
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, {"error": "the token is not known"}
        return None
