import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from components.errors import MissingFileError, ServingError
from serving.batching import BatchingOptions, read_batching
from serving.client import SegmentationClient
from serving.deploy.start_server import server_command, start_server


def test_the_embedded_server_answers_and_exits_with_zero_on_sigterm(model_base: Path) -> None:
    with start_server(model_base, "eoseg", timeout=120) as server:
        with SegmentationClient(server.address) as client:
            patches = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
            np.testing.assert_array_equal(client.predict_scores(patches), patches)
        assert server.stop() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(server.pid, 0)


def fake_binary(folder: Path, script: str) -> Path:
    binary = folder / "tensorflow_model_server"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return binary


def test_the_stock_binary_is_taken_where_it_is_on_the_path(
    model_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = fake_binary(tmp_path, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    command = server_command(model_base, "eoseg", 8500, BatchingOptions(max_batch_size=4), tmp_path)
    assert command[:4] == [str(binary), "--port=8500", "--model_name=eoseg", f"--model_base_path={model_base}"]
    file = next(flag for flag in command if "batching_parameters_file" in flag).partition("=")[2]
    assert read_batching(file).max_batch_size == 4
    assert server_command(model_base, "eoseg", 8500, None, tmp_path, "embedded")[0] == sys.executable


def test_what_is_not_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError, match="there is no folder"):
        start_server(tmp_path / "nothing", "eoseg")
    (tmp_path / "7.part").mkdir()
    with pytest.raises(MissingFileError, match="holds no version"):
        start_server(tmp_path, "eoseg")
    (tmp_path / "7").mkdir()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingFileError, match="not on the PATH"):
        start_server(tmp_path, "eoseg", kind="stock")


def test_a_server_that_ends_shows_its_last_words(
    model_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_binary(tmp_path, "echo 'no such thing' >&2; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ServingError, match=r"(?s)ended with code 3.*\| no such thing"):
        start_server(model_base, "eoseg", timeout=20)


def test_a_server_that_is_never_ready_is_ended(
    model_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_binary(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ServingError, match="was not ready after 1 s"):
        start_server(model_base, "eoseg", timeout=1)
