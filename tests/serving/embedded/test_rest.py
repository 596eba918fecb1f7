"""The REST API over real HTTP."""

import base64
import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from serving.deploy.start_server import free_port
from serving.embedded.server import EmbeddedServer


def save_model(path: Path) -> None:
    """y = x / 2 + 2 over Examples and tensors; two named inputs; strings that come back."""
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        x = v1.placeholder_with_default(
            tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"], [None, 1], name="x"
        )
        y = tf.identity(x * 0.5 + 2, name="y")
        a, b = v1.placeholder(tf.float32, [None], name="a"), v1.placeholder(tf.int32, [None], name="b")
        text = v1.placeholder(tf.string, [None], name="text")
        info = v1.saved_model.utils.build_tensor_info
        build = v1.saved_model.signature_def_utils.build_signature_def
        predict = "tensorflow/serving/predict"
        total = tf.identity(tf.reduce_sum(a), name="total")
        signatures = {
            "serving_default": build({"x": info(x)}, {"y": info(y)}, predict),
            "two": build(
                {"a": info(a), "b": info(b)},
                {"sum": info(a + tf.cast(b, tf.float32)), "b": info(tf.identity(b))},
                predict,
            ),
            "scalar": build({"a": info(a)}, {"total": info(total), "twice": info(a * 2)}, predict),
            "echo": build({"text": info(text)}, {"text": info(tf.identity(text))}, predict),
            "echo_bytes": build({"text": info(text)}, {"text_bytes": info(tf.identity(text))}, predict),
            "regress": build({"inputs": info(examples)}, {"outputs": info(y)}, "tensorflow/serving/regress"),
            "classify": build({"inputs": info(examples)}, {"scores": info(y)}, "tensorflow/serving/classify"),
        }
        builder = v1.saved_model.builder.SavedModelBuilder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., EmbeddedServer]) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("rest")
    save_model(folder / "m" / "7")
    monitoring = folder / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }')
    port = free_port()
    server = start(
        folder / "m",
        model_name="m",
        rest_api_port=port,
        monitoring_config_file=str(monitoring),
        rest_api_enable_cors_support=True,
    )
    yield f"http://127.0.0.1:{port}"
    server.stop()


def fetch(url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=20) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, json.loads(text)


def predict(url: str, **document: Any) -> tuple[int, Any]:
    return fetch(f"{url}/v1/models/m:predict", document)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({"instances": [[2.0], [4]]}, {"predictions": [[3.0], [4.0]]}),
        ({"instances": [{"x": [2.0]}]}, {"predictions": [[3.0]]}),
        ({"inputs": [[2.0]]}, {"outputs": [[3.0]]}),
        ({"inputs": {"x": [[2.0]]}}, {"outputs": [[3.0]]}),
        (
            {"signature_name": "two", "instances": [{"a": 1.5, "b": 1}, {"a": 2, "b": 2}]},
            {"predictions": [{"b": 1, "sum": 2.5}, {"b": 2, "sum": 4.0}]},
        ),
        (
            {"signature_name": "two", "inputs": {"a": [1, 2], "b": [3, 4]}},
            {"outputs": {"b": [3, 4], "sum": [4.0, 6.0]}},
        ),
        ({"signature_name": "scalar", "inputs": [1, 2]}, {"outputs": {"total": 3.0, "twice": [2.0, 4.0]}}),
        ({"signature_name": "echo", "instances": ["ä", "b"]}, {"predictions": ["ä", "b"]}),
        ({"signature_name": "echo", "instances": [{"b64": "aGk="}]}, {"predictions": ["hi"]}),
        ({"signature_name": "echo_bytes", "instances": ["hi"]}, {"predictions": [{"b64": "aGk="}]}),
    ],
)
def test_predict_in_rows_and_columns(url: str, document: dict, answer: dict) -> None:
    assert predict(url, **document) == (200, answer)


def test_numbers_are_written_short_and_come_back_exactly(url: str) -> None:
    status, answer = predict(url, signature_name="scalar", inputs=[0.1, 1 / 3, 16777215])
    assert status == 200
    assert answer["outputs"]["twice"] == [0.2, 0.666666687, 33554430.0]


def test_bytes_that_are_no_text_survive(url: str) -> None:
    content = base64.b64encode(bytes(range(256))).decode()
    assert predict(url, signature_name="echo_bytes", instances=[{"b64": content}])[1] == {
        "predictions": [{"b64": content}]
    }


def test_not_a_number_travels_both_ways(url: str) -> None:
    body = b'{"inputs": [[NaN], [Infinity]]}'
    status, answer = fetch(f"{url}/v1/models/m:predict", body)
    assert status == 200
    assert str(answer) == "{'outputs': [[nan], [inf]]}"


@pytest.mark.parametrize("path", ["/v1/models/m/versions/7:predict", "/V1/MODELS/m:predict", "/v1/models/%6D:predict"])
def test_paths_name_model_and_version(url: str, path: str) -> None:
    assert fetch(url + path, {"instances": [[2.0]]}) == (200, {"predictions": [[3.0]]})


def test_a_compressed_body_is_read(url: str) -> None:
    body = gzip.compress(b'{"instances": [[2.0]]}')
    answer = fetch(f"{url}/v1/models/m:predict", body, {"Content-Encoding": "gzip"})
    assert answer == (200, {"predictions": [[3.0]]})


def test_classify_and_regress_take_examples_and_context(url: str) -> None:
    examples = {"examples": [{"x": 2.0}, {"x": [4.0]}]}
    classify = fetch(f"{url}/v1/models/m:classify", {"signature_name": "classify", **examples})
    assert classify == (200, {"results": [[["", 3.0]], [["", 4.0]]]})
    assert fetch(f"{url}/v1/models/m:regress", {"signature_name": "regress", **examples}) == (
        200,
        {"results": [3.0, 4.0]},
    )
    with_context = {"signature_name": "regress", "context": {"x": 6.0}, "examples": [{}, {"x": 2.0}]}
    assert fetch(f"{url}/v1/models/m:regress", with_context) == (200, {"results": [5.0, 3.0]})


def test_status_and_metadata(url: str) -> None:
    entry = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert fetch(f"{url}/v1/models/m") == (200, {"model_version_status": [entry]})
    assert fetch(f"{url}/v1/models/m/versions/7")[0] == 200
    status, answer = fetch(f"{url}/v1/models/m/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "m", "signature_name": "", "version": "7"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["inputs"]["x"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}, {"size": "1", "name": ""}]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/models/q:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(q)"),
        ("/v1/models/q", None, 404, "Could not find any versions of model q"),
        ("/v1/models/m/versions/9:predict", {"instances": [1]}, 404, "Servable not found for request: Specific(m, 9)"),
        ("/v1/models/m:guess", {}, 400, "Malformed request: POST /v1/models/m:guess"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/nothing/here", None, 400, "Malformed request: GET /v1/nothing/here"),
        ("/v1/models/m:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("/v1/models/m:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/m:predict", [], 400, "Is not object"),
        ("/v1/models/m:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/m:predict", {"instances": []}, 400, "No values in 'instances' array"),
        ("/v1/models/m:predict", {"instances": 3}, 400, "Excepting 'instances' to be an list/array"),
        ("/v1/models/m:predict", {"instances": [1], "inputs": 1}, 400, "expecting only one of"),
        (
            "/v1/models/m:predict",
            {"instances": [[1], ["a"]]},
            400,
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String "
            "is not of expected type: float",
        ),
        ("/v1/models/m:predict", {"instances": [[1], [[1]]]}, 400, "Expecting shape [1] but got: [1,1]"),
        (
            "/v1/models/m:predict",
            {"instances": [[[1], 2]]},
            400,
            "found at incorrect level: 2 in the JSON",
        ),
        (
            "/v1/models/m:predict",
            {"instances": [{"x": ["a"]}]},
            400,
            "Failed to process element: 0 key: x of",
        ),
        ("/v1/models/m:predict", {"signature_name": "echo", "instances": [3]}, 400, "Type: Number is not of expected"),
        ("/v1/models/m:predict", {"instances": [[True]]}, 400, "is not of expected type: float"),
        ("/v1/models/m:predict", {"instances": [[1], [1, 2]]}, 400, "Expecting tensor size: 1 but got: 2"),
        ("/v1/models/m:predict", {"instances": [[16777217]]}, 400, "without loss of precision"),
        ("/v1/models/m:predict", {"instances": [{"q": 1}]}, 400, "does not have named input: q"),
        ("/v1/models/m:predict", {"signature_name": 3, "instances": [1]}, 400, "must be a string value"),
        ("/v1/models/m:predict", {"signature_name": "s", "instances": [1]}, 400, 'name: "s" not found in signature'),
        (
            "/v1/models/m:predict",
            {"signature_name": "two", "instances": [1]},
            400,
            "expecting list of objects as multiple",
        ),
        ("/v1/models/m:predict", {"signature_name": "two", "inputs": {"a": [1]}}, 400, "Missing named input: b"),
        ("/v1/models/m:predict", {"signature_name": "scalar", "instances": [1, 2]}, 400, "no shape information"),
        ("/v1/models/m:predict", {"signature_name": "echo", "instances": [{"b64": "?"}]}, 400, "base64"),
        ("/v1/models/m:classify", {"signature_name": "classify"}, 400, "key 'examples' is expected"),
        ("/v1/models/m:classify", {"signature_name": "classify", "examples": [{"x": None}]}, 400, "JSON type: Null"),
        ("/v1/models/m:regress", {"signature_name": "regress", "examples": [3]}, 400, "but got JSON Number"),
    ],
)
def test_what_is_wrong_is_said_as_the_stock_server_says_it(
    url: str, path: str, body: Any, status: int, message: str
) -> None:
    got, answer = fetch(url + path, body)
    assert got == status
    assert message in answer["error"]


def test_prometheus_reads_counts_and_latencies(url: str) -> None:
    predict(url, instances=[[2.0]])
    predict(url, signature_name="two", instances=[{"a": 1, "b": 1}])
    fetch(f"{url}/v1/models/m:regress", {"signature_name": "regress", "examples": [{"x": 2.0}]})
    with urllib.request.urlopen(f"{url}/monitoring/prometheus/metrics", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/plain"
        lines = answer.read().decode().splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    counts = [
        line for line in lines if line.startswith(':tensorflow:serving:request_count{model_name="m",status="OK"}')
    ]
    assert int(counts[0].split()[-1]) >= 3
    assert any('request_latency_bucket{model_name="m",API="Predict",entrypoint="REST",le="+Inf"}' in x for x in lines)
    assert any('runtime_latency_count{model_name="m",API="Predict",runtime="TF1"}' in x for x in lines)
    assert any(line.startswith(':tensorflow:serving:request_example_count_total{model="m"}') for line in lines)


def test_cors_headers_are_sent_where_asked(url: str) -> None:
    request = urllib.request.Request(f"{url}/v1/models/m:predict", method="OPTIONS")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
