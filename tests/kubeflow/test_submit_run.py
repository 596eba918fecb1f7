"""`eoseg kubeflow submit` against a server that speaks the API over HTTP: what it makes, what it says of failures."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubeflow.fake_endpoint import FakeEndpoint
from tests.kubeflow.tiny_data_set import tiny_config
from tfx_pipeline.cli.main import main

GOLDEN = Path(__file__).parent / "golden" / "tiny.yaml"


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with FakeEndpoint() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("KF_PIPELINES", "EOSEG_KUBEFLOW")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def submit(tmp_path: Path, *flags: str, **submit_options: Any) -> int:
    config = tiny_config(tmp_path, submit=submit_options)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    return main(["kubeflow", "submit", str(tmp_path / "tiny.yaml"), "--pipeline", str(GOLDEN), *flags])


def test_a_run_is_made_with_its_parameters_and_its_link_is_shown(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--name", "monday", "--parameter", "training_steps=50", "--parameter", "data_root=/mnt/tiles"]
    flags += ["--experiment", "land cover", "--service-account", "runner", "--pipeline-root", "s3://other/root"]
    assert submit(tmp_path, *flags, endpoint=endpoint.address, ui="https://ui.example/pipeline") == 0
    (run,) = endpoint.runs
    assert run["display_name"] == "monday"
    assert run["experiment_id"] == endpoint.experiments["land cover"]["experiment_id"]
    assert run["runtime_config"] == {
        "parameters": {"training_steps": 50, "data_root": "/mnt/tiles"}, "pipeline_root": "s3://other/root",
    }  # fmt: skip
    assert run["service_account"] == "runner"
    spec, platform = yaml.safe_load_all(GOLDEN.read_text())
    assert run["pipeline_spec"]["pipeline_spec"] == spec
    assert run["pipeline_spec"]["platform_spec"] == platform
    assert capsys.readouterr().out == "run run-1: https://ui.example/pipeline/#/runs/details/run-1\n"


def test_a_second_run_goes_into_the_same_experiment(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    for _ in range(2):
        assert submit(tmp_path, endpoint=endpoint.address) == 0
    assert list(endpoint.experiments) == ["tiny"]
    assert {run["experiment_id"] for run in endpoint.runs} == {"experiment-1"}


@pytest.mark.parametrize(
    ("flags", "trigger"),
    [
        (["--cron", "0 0 3 * * 1"], {"cron_schedule": {"cron": "0 0 3 * * 1"}}),
        (["--every", "3600"], {"periodic_schedule": {"interval_second": 3600}}),
    ],
)
def test_a_schedule_is_made(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], trigger: dict
) -> None:
    assert submit(tmp_path, *flags, "--at-once", "2", endpoint=endpoint.address) == 0
    (schedule,) = endpoint.schedules
    assert schedule["trigger"] == trigger
    assert (schedule["mode"], int(schedule["max_concurrency"]), schedule["no_catchup"]) == ("ENABLE", 2, True)
    assert not endpoint.runs
    assert "/#/recurringrun/details/schedule-1" in capsys.readouterr().out


@pytest.mark.parametrize(("last", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1), ("SKIPPED", 1)])
def test_waiting_ends_with_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str, code: int) -> None:
    with FakeEndpoint(states=("PENDING", "RUNNING", "RUNNING", last)) as endpoint:
        assert submit(tmp_path, "--wait", "--poll", "0.01", endpoint=endpoint.address) == code
    said = capsys.readouterr()
    assert said.out.splitlines()[1:] == ["pending", "running", last.lower()]
    assert ("step Trainer ran out of memory" in said.err) == (last == "FAILED")


def test_waiting_has_an_end_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint(states=("RUNNING",)) as endpoint:
        assert submit(tmp_path, "--wait", "--poll", "0.01", "--timeout", "0.05", endpoint=endpoint.address) == 2
    assert "run run-1 is still running" in capsys.readouterr().err


def test_waiting_outlives_answers_that_fail_and_ends_where_the_token_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeEndpoint(states=("RUNNING", "503", "503", "RUNNING", "SUCCEEDED")) as endpoint:
        assert submit(tmp_path, "--wait", "--poll", "0.01", endpoint=endpoint.address) == 0
    capsys.readouterr()
    with FakeEndpoint(states=("RUNNING", "401")) as endpoint:
        assert submit(tmp_path, "--wait", "--poll", "0.01", endpoint=endpoint.address) == 2
    message = capsys.readouterr().err
    assert "run run-1 goes on, and can no longer be looked at: the endpoint answers 401" in message
    assert f"{endpoint.address}/#/runs/details/run-1" in message


def test_a_folder_that_looks_like_a_number_stays_a_text(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    assert submit(tmp_path, "--parameter", "data_root=2025", endpoint=endpoint.address) == 0
    assert endpoint.runs[0]["runtime_config"]["parameters"] == {"data_root": "2025"}


def test_a_token_is_sent_and_a_wrong_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("right\n")
    with FakeEndpoint(token="right") as endpoint:
        assert submit(tmp_path, endpoint=endpoint.address) == 2
        assert "answers 401" in capsys.readouterr().err
        monkeypatch.setenv("EOSEG_KUBEFLOW_TOKEN", "wrong")
        assert submit(tmp_path, endpoint=endpoint.address) == 2
        message = capsys.readouterr().err
        assert "put a fresh token into EOSEG_KUBEFLOW_TOKEN" in message
        assert "wrong" not in message  # no token is ever shown
        assert submit(tmp_path, "--token-file", str(tmp_path / "token"), endpoint=endpoint.address) == 0
    assert len(endpoint.runs) == 1


def test_an_endpoint_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert submit(tmp_path, endpoint=address) == 2
    message = capsys.readouterr().err
    assert f"{address} does not answer: [Errno 111] Connection refused" in message
    assert "port-forward" in message


def test_an_address_in_the_environment_needs_its_scheme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "localhost:8080")
    assert submit(tmp_path) == 2
    assert "the Kubeflow Pipelines endpoint is 'localhost:8080'" in capsys.readouterr().err


def test_something_else_at_the_address_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"SSH-2.0-OpenSSH_9\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        assert submit(tmp_path, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}") == 2
        thread.join()
    assert "does not answer" in capsys.readouterr().err


def test_a_log_in_page_is_told_from_the_api(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint(log_in_page=True) as endpoint:
        assert submit(tmp_path, endpoint=endpoint.address) == 2
    assert "answers with a web page, probably its log-in" in capsys.readouterr().err


def test_an_address_without_the_api_is_told(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(tmp_path, endpoint=f"{endpoint.address}/dashboard") == 2
    assert "often has /pipeline at the end" in capsys.readouterr().err


def test_what_the_server_refuses_is_shown_in_its_words(
    endpoint: FakeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.refuse_runs = "the service account is not allowed"
    assert submit(tmp_path, endpoint=endpoint.address) == 2
    said = capsys.readouterr()
    assert "answers 400 Bad Request: the service account is not allowed" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no Kubeflow Pipelines endpoint is named"),
        (["--endpoint", "http://h", "--parameter", "steps=3"], "the pipeline has no parameter 'steps'"),
        (["--endpoint", "http://h", "--parameter", "steps"], "--parameter KEY=VALUE"),
        (["--endpoint", "http://h", "--parameter", "training_steps=many"], "--parameter training_steps=many"),
        (["--endpoint", "http://h", "--parameter", "training_steps=-5"], "--parameter training_steps=-5"),
        (["--endpoint", "http://h", "--cron", "0 3 * * 1"], "--cron '0 3 * * 1' has 5 fields"),
        (["--endpoint", "http://h", "--every", "0"], "--every 0"),
        (["--endpoint", "http://h", "--every", "60", "--at-once", "0"], "--at-once 0"),
        (["--endpoint", "ftp://h"], "kubeflow.submit.endpoint"),
        (["--endpoint", "https://h", "--ca-file", "/nowhere/ca"], "there is no file /nowhere/ca"),
        (["--endpoint", "http://h", "--wait", "--every", "60"], "--wait is given with a schedule"),
        (["--endpoint", "http://h", "--token-file", "/nowhere/token"], "--token-file /nowhere/token cannot be read"),
        (["--pipeline", "/nowhere/p.yaml"], "there is no file /nowhere/p.yaml"),
        (["--pipeline", __file__], "is no compiled pipeline"),
    ],
)
def test_bad_input_gets_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert submit(tmp_path, *flags) == 2
    assert message in capsys.readouterr().err
