"""The server as a program: what integration tests made for the stock server ask of it."""

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.embedded.main import serve
from tests.serving.embedded.make_models import CLASSIFY, REGRESS, save_half_plus_two
from tests.serving.embedded.program import Program, write_models_config
from tests.serving.embedded.wire import SECONDS, Wire, failure_of, predict_request, wait_until


def one_float(value: float = 2.0) -> Any:
    """A tensor `[1]` in its typed field, although the signatures say `[-1, 1]`: shapes are not held to them."""
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[value])
    proto.tensor_shape.dim.add().size = 1
    return proto


def check_predict(wire: Wire, model: str, expected: float, signature: str = "serving_default") -> None:
    for outputs in ([], ["y"]):
        answer = wire.predict(name=model, inputs={"x": one_float()}, outputs=outputs, signature=signature)
        assert list(answer.outputs) == ["y"]
        assert list(answer.outputs["y"].float_val) == [expected]
        spec = answer.model_spec
        assert (spec.name, spec.signature_name, spec.version.value) == (model, signature, 123)


@pytest.mark.parametrize(
    ("model", "expected", "signature"),
    [
        ("half_plus_two", 3.0, "serving_default"),
        ("half_plus_three", 4.0, "serving_default"),
        ("tf2", 12.0, "serving_default"),
        ("tf2", 2.0, "custom_signature_key"),
    ],
)
def test_predict_by_every_signature(program: Program, model: str, expected: float, signature: str) -> None:
    check_predict(program.wire, model, expected, signature)


def test_predict_over_a_unix_socket(program: Program) -> None:
    check_predict(Wire(f"unix:{program.errors.parent}/grpc.sock"), "half_plus_two", 3.0)


def test_classify_regress_and_both_at_once(program: Program) -> None:
    wire = program.wire

    def filled(request: Any) -> Any:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
        return request

    classify = filled(classification_pb2.ClassificationRequest())
    classify.model_spec.name, classify.model_spec.signature_name = "half_plus_two", "classify_x_to_y"
    answer = wire.prediction.Classify(classify, SECONDS)
    assert [[one.score for one in entry.classes] for entry in answer.result.classifications] == [[3.0]]
    regress = filled(regression_pb2.RegressionRequest())
    regress.model_spec.name, regress.model_spec.signature_name = "half_plus_two", "regress_x_to_y2"
    assert [entry.value for entry in wire.prediction.Regress(regress, SECONDS).result.regressions] == [4.0]
    multi = filled(inference_pb2.MultiInferenceRequest())
    for signature, method in (("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)):
        task = multi.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = "half_plus_two", signature
    results = wire.prediction.MultiInference(multi, SECONDS).results
    assert results[0].regression_result.regressions[0].value == 3.0
    assert results[1].classification_result.classifications[0].classes[0].score == 3.0
    assert [result.model_spec.version.value for result in results] == [123, 123]


def test_every_dtype_comes_back_in_its_own_field(program: Program) -> None:
    for dtype, field, values in (
        (np.int64, "int64_val", [-(2**40), 5]),
        (np.int32, "int_val", [-7, 5]),
        (np.uint8, "int_val", [0, 255]),
        (np.bool_, "bool_val", [True, False]),
        (np.float64, "double_val", [0.1, -1e300]),
        (np.uint64, "uint64_val", [2**63 + 1, 0]),
        (np.float16, "half_val", [0x3C00, 0xC000]),
    ):
        sent = np.array([1.0, -2.0] if dtype == np.float16 else values, dtype)
        signature = np.dtype(dtype).name
        answer = program.wire.predict(name="kinds", signature=signature, inputs={"value": sent})
        assert list(getattr(answer.outputs["value"], field)) == values
        assert not answer.outputs["value"].tensor_content
    answer = program.wire.predict(name="kinds", signature="string", inputs={"value": [b"\xff\x00", b""]})
    assert list(answer.outputs["text_bytes"].string_val) == [b"\xff\x00", b""]


def test_an_input_that_is_left_out_has_its_default(program: Program) -> None:
    answer = program.wire.predict(name="kinds", inputs={"a": np.array([1.0], np.float32)})
    assert list(answer.outputs["sum"].float_val) == [11.0]
    code, text = failure_of(lambda: program.wire.predict(name="kinds", inputs={"b": np.array([1.0], np.float32)}))
    assert (code, text) == (
        "INVALID_ARGUMENT",
        "Signature input alias: a(feed name: a:0) not found in request and no default value provided. Inputs expected "
        "to be in the request {b}, or default input alias set: b",
    )


def rest(program: Program, path: str, document: Any = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(program.url + path, data=body), timeout=SECONDS) as answer:
        text = answer.read().decode()
        return json.loads(text) if answer.headers["Content-Type"] == "application/json" else text


@pytest.mark.parametrize(
    ("verb", "document", "answer"),
    [
        ("classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}, {"results": [[["", 3.0]]]}),
        ("regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}, {"results": [3.0]}),
        ("predict", {"instances": [2.0, 3.0, 4.0]}, {"predictions": [3.0, 3.5, 4.0]}),
        ("predict", {"inputs": [2.0, 3.0, 4.0]}, {"outputs": [3.0, 3.5, 4.0]}),
    ],
)
def test_rest_verbs(program: Program, verb: str, document: Any, answer: Any) -> None:
    assert rest(program, f"/v1/models/half_plus_two:{verb}", document) == answer


def test_rest_status_and_metadata(program: Program) -> None:
    entry = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert rest(program, "/v1/models/half_plus_two") == {"model_version_status": [entry]}
    document = rest(program, "/v1/models/half_plus_two/metadata")
    assert document["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    signatures = document["metadata"]["signature_def"]["signature_def"]
    column = {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False}
    assert signatures["regress_x2_to_y3"] == {
        "inputs": {"inputs": {"dtype": "DT_FLOAT", "tensor_shape": column, "name": "x2:0"}},
        "outputs": {"outputs": {"dtype": "DT_FLOAT", "tensor_shape": column, "name": "y3:0"}},
        "method_name": REGRESS,
        "defaults": {},
    }
    assert signatures["classify_x_to_y"]["inputs"]["inputs"] == {
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "tf_example:0",
    }


def test_prometheus_page(program: Program) -> None:
    assert "# TYPE" in rest(program, "/monitoring/prometheus/metrics")


def test_a_call_without_a_deadline_is_answered(program: Program) -> None:
    answer = program.wire.prediction.Predict(predict_request(name="half_plus_two", inputs={"x": one_float()}))
    assert list(answer.outputs["y"].float_val) == [3.0]


def test_the_log_says_where_it_listens(program: Program) -> None:
    log = program.errors.read_text()
    assert f"Running gRPC ModelServer at 127.0.0.1:{program.port} ..." in log
    assert f"Running gRPC ModelServer at UNIX socket {program.errors.parent}/grpc.sock ..." in log
    assert f"Exporting HTTP/REST API at:127.0.0.1:{program.rest_port} ..." in log


def test_the_config_file_is_read_again_every_second(program: Program) -> None:
    folder, names = program.errors.parent, ("half_plus_two", "half_plus_three", "tf2", "kinds")
    save_half_plus_two(folder / "half_plus_five" / "00000123", 5.0)
    try:
        write_models_config(folder, *names, "half_plus_five")
        wait_until(lambda: program.wire.states("half_plus_five") == {123: "AVAILABLE"})
        check_predict(program.wire, "half_plus_five", 6.0)
        (folder / "models.config").write_text("model_config_list { config { nonsense: 1 } }")
        wait_until(lambda: "failed to ReloadConfig" in program.errors.read_text())
        check_predict(program.wire, "half_plus_five", 6.0)
    finally:
        write_models_config(folder, *names)
    wait_until(lambda: program.wire.states("half_plus_five") == {123: "END"})
    check_predict(program.wire, "half_plus_two", 3.0)


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_bad_model_config_ends_the_program_with_protobufs_own_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.config"
    bad.write_text("improperly formatted file")
    assert serve([f"--model_config_file={bad}", "--port=0"]) == 1
    output, errors = capfd.readouterr()
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in errors
    assert f"Invalid protobuf file: '{bad}'" in errors
    assert output.startswith(f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{bad}'")


@pytest.mark.usefixtures("signals")
def test_wrong_flags_and_questions_end_the_program_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert serve(["--prot=3"]) == 2
    assert "unknown argument: --prot=3" in capfd.readouterr().err
    assert serve(["--version"]) == 0
    assert capfd.readouterr().out.startswith("TensorFlow ModelServer: 2.")
    assert serve(["--help"]) == 0
    assert "--model_base_path=" in capfd.readouterr().out


def test_sigterm_lets_running_requests_finish_and_nothing_of_them_is_logged(tmp_path: Path) -> None:
    save_half_plus_two(tmp_path / "models" / "m" / "1")
    (tmp_path / "batching.txt").write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 1500000 }")
    program = Program(
        f"--model_name=m --model_base_path={tmp_path}/models/m --enable_batching=true "
        f"--batching_parameters_file={tmp_path}/batching.txt",
        tmp_path,
    ).wait_until_ready()
    batched = np.array([[4.0]], np.float32)
    secret = predict_request(name="m", inputs={"x": np.array([b"very secret"], object)})
    assert failure_of(lambda: program.wire.prediction.Predict(secret, SECONDS))[0] == "INVALID_ARGUMENT"
    with pytest.raises(urllib.error.HTTPError):
        rest(program, "/v1/models/m:predict", {"instances": ["very secret"]})
    answers: list[Any] = []

    def ask_rest() -> None:
        answers.append(rest(program, "/v1/models/m:predict", {"instances": [[6.0]]}))

    asked = threading.Thread(target=ask_rest)
    asked.start()
    running = program.wire.prediction.Predict.future(predict_request(name="m", inputs={"x": batched}), SECONDS)
    time.sleep(0.5)  # both wait in the batch for company
    program.process.send_signal(signal.SIGTERM)
    assert list(running.result(SECONDS).outputs["y"].float_val) == [4.0]
    asked.join()
    assert answers == [{"predictions": [[5.0]]}]
    assert program.process.wait(60) == 0
    code, _ = failure_of(lambda: program.wire.predict(name="m"))
    assert code == "UNAVAILABLE"
    log = program.errors.read_text()
    assert "very secret" not in log
    lines = [json.loads(line.partition("] ")[2]) for line in log.splitlines() if "request_failed" in line]
    assert [(line["method"], line["code"]) for line in lines[-2:]] == [
        ("Predict", "INVALID_ARGUMENT"),
        ("POST /v1/models/m:predict", "INVALID_ARGUMENT"),
    ]
