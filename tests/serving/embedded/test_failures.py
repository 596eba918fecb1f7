"""A failed request is one line in the log, and nothing of its payload stands there."""

import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorflow_serving.apis import regression_pb2

from serving.embedded.failures import log_failure, unexpected_failure
from serving.embedded.server import EmbeddedServer
from serving.embedded.status import Code, StatusError, invalid_argument
from tests.serving.embedded.make_models import save_half_plus
from tests.serving.embedded.wire import SECONDS, Wire, failure_of

SECRET = "ninety-nine red balloons"
LOG = "serving.embedded.failures"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., EmbeddedServer]) -> Any:
    folder = tmp_path_factory.mktemp("failures")
    save_half_plus(folder / "m" / "1", 1.0)
    started = start(folder / "m", model_name="m")
    yield Wire(started.address)
    started.stop()


def regress(wire: Wire, example: bytes) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "regress"
    added = request.input.example_list.examples.add()
    added.features.feature["x"].bytes_list.value.append(example)  # should be a float: the kernel says so, with names
    wire.prediction.Regress(request, SECONDS)


@pytest.mark.parametrize(
    ("call", "code", "logged"),
    [
        (lambda w: w.predict([[1.0]], signature="s"), "FAILED_PRECONDITION", 'Serving signature key "s" not found.'),
        (
            lambda w: w.predict(inputs={"x": np.array([SECRET.encode()], object)}),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but string is provided",
        ),
        (lambda w: regress(w, SECRET.encode()), "INVALID_ARGUMENT", "withheld, it may quote the request"),
    ],
)
def test_a_failed_request_is_one_line_without_the_payload(
    server: Wire, caplog: pytest.LogCaptureFixture, call: Callable[[Wire], Any], code: str, logged: str
) -> None:
    with caplog.at_level(logging.WARNING, LOG):
        got, _ = failure_of(lambda: call(server))
    (record,) = caplog.records
    line = json.loads(record.getMessage())
    assert (line["event"], line["model"], line["code"]) == ("request_failed", "m", code)
    assert got == code
    assert line["message"].startswith(logged)
    assert line["milliseconds"] >= 0
    assert SECRET not in record.getMessage()


def test_a_kernels_text_is_withheld_but_its_node_named(caplog: pytest.LogCaptureFixture) -> None:
    text = f"could not convert string: {SECRET}\n\t [[{{{{function_node __f_1}}}}{{{{node model/Cast_3}}}}]]"
    with caplog.at_level(logging.WARNING, LOG):
        log_failure("Predict", "m", invalid_argument(text, quotes_request=True), 0.1)
    assert json.loads(caplog.messages[0])["message"].endswith("; node model/Cast_3")
    assert SECRET not in caplog.text


def test_names_are_cut_and_line_breaks_escaped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, LOG):
        log_failure("POST /v1/" + "x" * 9999, "m\n" * 9999, StatusError(Code.NOT_FOUND, "n" * 9999), 0.0)
    assert len(caplog.messages[0]) < 2500
    assert "\n" not in caplog.messages[0]


def test_an_unforeseen_exception_is_logged_by_its_place_alone(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError(SECRET)
    except RuntimeError as error:
        with caplog.at_level(logging.ERROR, LOG):
            failure = unexpected_failure("Predict", error)
    assert (failure.code, failure.quotes_request) == (Code.INTERNAL, True)
    assert "test_failures.py" in caplog.text
    assert SECRET not in caplog.text.replace("raise RuntimeError(SECRET)", "")
