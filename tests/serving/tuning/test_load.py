"""The load against a real (embedded) server, in this process and in one of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import ServingError
from serving.batching import BatchingOptions
from serving.deploy.start_server import free_port
from serving.tuning.direct import DirectJobs, DirectModel, default_output
from serving.tuning.load import array_reader, run_load
from serving.tuning.server_metrics import read_batch_counts
from serving.tuning.worker import Worker


@pytest.fixture(scope="module")
def model(model_base: Path) -> DirectModel:
    return DirectModel(str(model_base / "1"))


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def address(
    model_base: Path, start: Callable[..., Any], metrics_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    monitoring = tmp_path_factory.mktemp("config") / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    server = start(
        model_base,
        batching=BatchingOptions(max_batch_size=8, allowed_batch_sizes=(4, 8)),
        rest_api_port=metrics_port,
        monitoring_config_file=str(monitoring),
    )
    yield server.address
    server.stop()


def job(address: str, request: Path, **changes: Any) -> dict[str, Any]:
    given = {"address": address, "request_file": str(request), "concurrency": 2, "seconds": 0.3, "timeout_seconds": 20}
    return {**given, "read": "", **changes}


def test_every_request_is_counted_by_clients_and_server_alike(
    model: DirectModel, address: str, metrics_port: int, tmp_path: Path
) -> None:
    model.write_request(tmp_path / "3.pb", "eoseg", "scores_bytes", patches=3)
    before = read_batch_counts(metrics_port)
    answer = run_load(job(address, tmp_path / "3.pb"))
    counts = read_batch_counts(metrics_port) - before
    requests = len(answer["latencies_ms"])
    assert requests >= 2
    assert not answer["failures"]
    assert counts.processed - counts.padding == 3 * requests
    # 3 patches alone are padded to 4; two requests together make 6, padded to 8: a quarter of what is run either way
    assert counts.padding_share == pytest.approx(1 / 4)
    assert answer["seconds"] >= 0.3
    assert max(answer["latencies_ms"]) <= answer["seconds"] * 1e3


@pytest.mark.parametrize("output", ["class_ids", "class_ids_bytes", "scores", "scores_bytes"])
def test_numbers_and_byte_strings_are_read_as_the_same_arrays(
    model: DirectModel, address: str, tmp_path: Path, output: str
) -> None:
    import grpc

    path = tmp_path / "2.pb"
    model.write_request(path, "eoseg", output, patches=2)
    with grpc.insecure_channel(address) as channel:
        answer = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(path.read_bytes(), timeout=20)
    scores = model.images(2)  # class k scores what band k holds
    expected = scores.argmax(-1) if "class_ids" in output else scores
    np.testing.assert_array_equal(array_reader(output)(answer).ravel(), expected.ravel())


def test_refusals_are_counted_by_their_code(model: DirectModel, address: str, tmp_path: Path) -> None:
    model.write_request(tmp_path / "9.pb", "eoseg", "scores_bytes", patches=9)
    answer = run_load(job(address, tmp_path / "9.pb"))
    assert set(answer["failures"]) == {"INVALID_ARGUMENT"}, "9 patches are more than max_batch_size"
    assert not answer["latencies_ms"]


def test_session_calls_are_timed_and_a_foreign_model_is_refused(model_base: Path, tmp_path: Path) -> None:
    jobs = DirectJobs()
    facts = jobs({"kind": "open", "folder": str(model_base / "1")})
    assert (facts["input_shape"], default_output(facts["outputs"])) == ((16, 16, 3), "scores_bytes")
    found = jobs({"kind": "time", "output": "scores_bytes", "batch_size": 2, "seconds": 0.05})
    assert 0 < found["seconds_per_call"] < 5
    assert found["calls"] >= 2
    with pytest.raises(ServingError, match="cannot be measured"):
        jobs({"kind": "open", "folder": str(tmp_path)})


def test_a_worker_answers_reports_errors_and_ends_with_its_input(tmp_path: Path) -> None:
    (tmp_path / "1.pb").write_bytes(b"")
    with Worker("serving.tuning.load") as worker:
        with pytest.raises(ServingError, match=r"127\.0\.0\.1:1 does not answer"):
            worker.ask(job("127.0.0.1:1", tmp_path / "1.pb", connect_seconds=0.2))
        with pytest.raises(ServingError, match="does not answer"):
            worker.ask(job("127.0.0.1:1", tmp_path / "1.pb", connect_seconds=0.2))
        pid = worker.pid
        os.kill(pid, signal.SIGINT)  # Ctrl-C reaches the whole group; the parent decides
        with pytest.raises(ServingError, match="does not answer"):
            worker.ask(job("127.0.0.1:1", tmp_path / "1.pb", connect_seconds=0.2))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_dies_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    with Worker("serving.tuning.load") as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ServingError, match=r"measuring process \(serving\.tuning\.load\) ended"):
            worker.ask(job("127.0.0.1:1", tmp_path / "1.pb"))


def test_the_load_needs_no_tensorflow() -> None:
    """Its import would take seconds of every measurement, and memory beside the servers."""
    script = (
        "import sys, json, serving.tuning.load\n"
        "print(json.dumps(sorted({'tensorflow', 'numpy', 'keras'} & set(sys.modules))))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
