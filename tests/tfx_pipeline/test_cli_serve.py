"""`eoseg serve`: what it starts, what it writes, what it refuses. No server runs here."""

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.batching import BatchingOptions, read_batching
from serving.deploy.deployment import read_config_files
from serving.deploy.models_config import read_models_config
from tfx_pipeline.cli.main import build_parser, main

Served = Callable[..., dict[str, str]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model's folder with versions 1 and 3."""
    folder = tmp_path / "served" / "land"
    for version in (1, 3):
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """Runs `eoseg serve ARGUMENTS` up to where the server would take over; its flags, and "" -> the program."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the folders that are left to the server
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append([program, *command[1:]]))

    def run(*arguments: object) -> dict[str, str]:
        parsed = build_parser().parse_args(["serve", *map(str, arguments)])
        parsed.handler(parsed)
        command = commands.pop()
        return {"": command[0]} | dict(
            flag.removeprefix("--").split("=", 1) for flag in command[1:] if flag.startswith("--")
        )

    return run


def fake_stock_binary(tmp_path: Path) -> Path:
    binary = tmp_path / "bin" / "tensorflow_model_server"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\n")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return binary


def test_a_models_folder_is_served_by_its_own_name(served: Served, base: Path) -> None:
    flags = served(base, "--port", 9000)
    assert flags[""] == sys.executable
    assert (flags["model_name"], flags["model_base_path"], flags["port"]) == ("land", str(base), "9000")
    assert read_batching(flags["batching_parameters_file"]) == BatchingOptions()
    assert served("--model-base", base.parent, "--model-name", "land")["model_base_path"] == str(base)


def test_the_stock_binary_is_taken_where_it_is_there(served: Served, base: Path, tmp_path: Path) -> None:
    binary = fake_stock_binary(tmp_path)
    assert served(base)[""] == str(binary)
    assert served(base, "--server", "embedded")[""] == sys.executable
    with pytest.raises(ValueError, match="the stock one always listens on all interfaces"):
        served(base, "--bind", "0.0.0.0")


def test_a_configuration_says_where_its_versions_are_and_how_they_are_batched(
    served: Served, base: Path, tmp_path: Path
) -> None:
    config = ["demo.yaml", "--workdir", tmp_path, "--set", "publish.model_name=land"]
    flags = served(*config, "--set", "batching.max_batch_size=5")
    assert flags["model_base_path"] == str(base)
    assert read_batching(flags["batching_parameters_file"]).max_batch_size == 5
    assert "enable_batching" not in served(*config, "--set", "batching.enabled=false")


def test_a_version_folder_or_versions_and_labels_are_served_as_named(served: Served, base: Path) -> None:
    (model,) = read_models_config(served(base / "1")["model_config_file"])
    assert (model.name, model.base_path, model.policy.versions) == ("land", str(base), (1,))
    flags = served(base, "--version", 3, "--version", 1, "--label", "stable=1", "--label", "canary=3")
    (model,) = read_models_config(flags["model_config_file"])
    assert model.policy.versions == (1, 3)
    assert model.labels == {"stable": 1, "canary": 3}
    assert flags["allow_version_labels_for_unavailable_models"] == "true"


def test_the_tuned_file_is_what_the_server_does(served: Served, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "batching.yaml"
    file.write_text("# why\nbatching:\n  enabled: false\n")
    assert "enable_batching" not in served(base, "--batching-file", file)
    file.write_text("batching: {max_batch_size: 6, num_batch_threads: 1}\n")
    flags = served(base, "--batching-file", file)
    assert read_batching(flags["batching_parameters_file"]).max_batch_size == 6
    text = tmp_path / "batching_parameters.txt"
    text.write_text("max_batch_size { value: 7 }")
    assert read_batching(served(base, "--batching-file", text)["batching_parameters_file"]).max_batch_size == 7
    assert "enable_batching" not in served(base, "--no-batching")


def test_monitoring_brings_its_port_and_any_flag_goes_through(served: Served, base: Path) -> None:
    flags = served(base, "--monitoring", "--flag", "grpc_max_threads=3", "--flag=--file_system_poll_wait_seconds=9")
    assert flags["rest_api_port"] == "8501"
    assert "enable: true" in Path(flags["monitoring_config_file"]).read_text()
    assert (flags["grpc_max_threads"], flags["file_system_poll_wait_seconds"]) == ("3", "9")
    assert served(base, "--monitoring", "--rest-port", 9001)["rest_api_port"] == "9001"
    assert "rest_api_port" not in served(base)


def test_write_config_starts_nothing_and_prints_the_container_command(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "config"
    assert main(["serve", str(base), "--write-config", str(folder), "--monitoring", "--label", "stable=3"]) == 0
    words = shlex.split(capsys.readouterr().out.replace("\\\n", ""))
    assert words[:2] == ["docker", "run"]
    assert f"type=bind,source={base},target=/models/land,readonly" in words
    inside = read_config_files(folder, 8500, 8501)
    assert inside.models[0].base_path == "/models/land"
    assert inside.monitoring.enable
    assert inside.batching == BatchingOptions()
    (folder / "models.config").write_text("# mine")
    assert main(["serve", str(base), "--write-config", str(folder)]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main(["serve", str(base), "--write-config", str(folder), "--overwrite"]) == 0
    assert not (folder / "monitoring.config").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no model to serve"),
        (["{base}/none"], "there is no folder"),
        (["{base}", "--port", "99999"], "port: Input should be less than or equal to 65535"),
        (["{base}", "--rest-port", "8500"], "cannot both listen on port 8500"),
        (["{base}", "--tls-cert", "x.pem"], "--tls-key None"),
        (["{base}", "--client-ca", "x.pem"], "--client-ca only beside them"),
        (["{base}", "--tls-cert", "x.pem", "--tls-key", "y.pem"], "x.pem does not exist"),
        (["{base}", "--label", "stable"], "--label NAME=VERSION"),
        (["{base}", "--label", "stable=2", "--version", "1"], "label 'stable' of model land names version 2"),
        (["{base}", "--version", "1", "--version", "2"], "--version 2: {base} has no such version"),
        (["{base}", "--label", "stable=2"], "versions that are there: 1, 3"),
        (["{base}", "--write-config", "{base}/1/saved_model.pb"], "cannot be written into {base}/1/saved_model.pb"),
        (["{base}", "--batching-file", "none.yaml"], "none.yaml does not exist"),
        (["{base}", "--server", "stock"], "tensorflow_model_server is not on the PATH"),
        (["tune", "{base}/none"], "there is no folder"),
        (["tune", "{base}", "--seconds", "0"], "seconds: Input should be greater than 0"),
        (["tune", "{base}", "--latency-budget-ms", "-1"], "latency_budget_ms"),
        (["tune", "{base}", "--concurrency", "0,1"], "concurrency.0: Input should be greater than 0"),
    ],
)
def test_what_cannot_be_served_is_one_message(
    arguments: list[str],
    message: str,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["serve", *(argument.format(base=base) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert message.format(base=base) in error
    assert "to fix:" in error


def test_numbers_that_are_none_and_unknown_words_are_refused(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["tune", str(base), "--patches", "a,b"], ["tune", str(base), "--nonsense"], ["--nonsense"]):
        with pytest.raises(SystemExit):
            main(["serve", *arguments])
    assert "invalid" in capsys.readouterr().err
