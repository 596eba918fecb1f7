import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.errors import ConfigError, TrainingError
from components.training.options import TrainingOptions
from components.training.strategy import is_chief, open_strategy, placed

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("distributed_training.py")
OPTIONS: dict[str, Any] = {
    "steps": 6, "batch_size": 4, "learning_rate": 3e-3, "steps_per_epoch": 3, "ema": 0.5, "gradient_clip": 0.1,
    "export": "best",
}  # fmt: skip


@pytest.fixture
def start(records_folder, record_format, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "eval"):
        (data / split).write_bytes((records_folder / f"{split}-00000-of-00001").read_bytes())
    (data / "format.json").write_text(record_format.model_dump_json())

    def run(what: str, name: str, weights: str = "weights", tf_config: object = None, **options: object):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
        if tf_config:
            environment["TF_CONFIG"] = json.dumps(tf_config)
        arguments = [what, str(data), str(tmp_path / name), str(tmp_path / f"{weights}.npz")]
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments, json.dumps({**OPTIONS, **options})],
            env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    return run


def finish(*processes: subprocess.Popen) -> list[str]:
    outputs = []
    try:
        for process in processes:
            outputs.append(process.communicate(timeout=300)[0])
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    return outputs


def assert_alike(first: Path, second: Path, tolerance: float = 0.0) -> None:
    a, b = np.load(first), np.load(second)
    assert sorted(a.files) == sorted(b.files)
    for name in a.files:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance / 100, err_msg=name)


@pytest.mark.slow
def test_a_step_on_two_devices_is_a_step_on_one(start):
    finish(start("steps", "none", strategy="mirrored"))


@pytest.mark.slow
def test_two_workers_train_as_two_devices_do(start, tmp_path):
    with socket.socket() as first, socket.socket() as second:
        for free in (first, second):
            free.bind(("127.0.0.1", 0))
        cluster = {"worker": [f"127.0.0.1:{free.getsockname()[1]}" for free in (first, second)]}
    places = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(2)]
    workers = [start("worker", "workers", f"worker{i}", place) for i, place in enumerate(places)]
    finish(*workers, start("mirrored", "devices", "devices", strategy="mirrored"))
    assert int(np.load(tmp_path / "worker0.npz")["replicas"]) == 2
    assert_alike(tmp_path / "worker0.npz", tmp_path / "devices.npz", 1e-4)
    assert_alike(tmp_path / "worker0.npz", tmp_path / "worker1.npz")
    assert (tmp_path / "workers/last.npz").exists()


def test_a_gpu_that_is_not_there_is_missed():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"training\.device is gpu, but TensorFlow .* sees none") as caught:
        open_strategy(TrainingOptions(device="gpu"))
    assert "nvidia-smi" in caught.value.expected
    assert "training.device: auto" in caught.value.remedy


def test_one_device_is_the_default():
    strategy = open_strategy(TrainingOptions())
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)


def test_memory_of_gpus_is_taken_as_it_is_needed_and_a_gpu_that_is_not_wanted_is_hidden(monkeypatch):
    calls = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"] if kind == "GPU" else ["a CPU"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *args: calls.append(("growth", *args)))
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *args: calls.append(("visible", *args)))
    open_strategy(TrainingOptions())
    assert calls == [("growth", "a GPU", True)]
    for strategy in ("auto", "mirrored"):
        calls.clear()
        assert open_strategy(TrainingOptions(device="cpu", strategy=strategy)).num_replicas_in_sync == 1
        assert calls == [("growth", "a GPU", True), ("visible", [], "GPU")]

    def too_late(*_args: object) -> None:
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", too_late)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert isinstance(open_strategy(TrainingOptions(device="cpu")), tf.distribute.OneDeviceStrategy)


@pytest.mark.parametrize(("grows", "told"), [(False, True), (True, False)])
def test_a_gpu_whose_memory_is_taken_already_is_told_of(monkeypatch, caplog, grows: bool, told: bool):
    def too_late(*_args: object) -> None:
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    gpu = SimpleNamespace(name="GPU:0")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", too_late)
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda _gpu: grows)
    open_strategy(TrainingOptions(strategy="one_device"))
    assert ("has taken all of its memory" in caplog.text) == told


def test_a_strategy_of_one_device_computes_there_too():
    def where(strategy: tf.distribute.Strategy) -> list[str]:
        function = tf.function(placed(strategy, lambda x: tf.matmul(x, x)))
        graph = function.get_concrete_function(tf.TensorSpec((2, 2))).graph
        return [operation.device for operation in graph.get_operations() if operation.type == "MatMul"]

    assert where(tf.distribute.OneDeviceStrategy("/cpu:0")) == ["/job:localhost/replica:0/task:0/device:CPU:0"]
    assert where(tf.distribute.get_strategy()) == [""]


def test_a_cluster_needs_its_description(monkeypatch):
    with pytest.raises(ConfigError, match="TF_CONFIG names no worker"):
        open_strategy(TrainingOptions(strategy="multi_worker"))


@pytest.mark.parametrize(
    "described",
    ["{broken", "[]", '{"cluster": 3}', '{"cluster": {"worker": 3}}', '{"cluster": {"worker": "localhost:2222"}}'],
)
def test_a_description_of_the_cluster_that_is_none_is_refused(monkeypatch, described: str):
    monkeypatch.setenv("TF_CONFIG", described)
    with pytest.raises(ConfigError, match=r"TF_CONFIG cannot be used .*" + re.escape(described)):
        open_strategy(TrainingOptions())


@pytest.mark.parametrize("task", [{}, {"task": {"type": "worker", "index": 5}}, {"task": {"type": "x", "index": 0}}])
def test_a_task_that_the_cluster_has_not_is_refused(monkeypatch, task: dict):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["127.0.0.1:1"]}, **task}))
    with pytest.raises(ConfigError, match="TF_CONFIG cannot be used"):
        open_strategy(TrainingOptions(strategy="multi_worker"))


def test_a_cluster_cannot_be_joined_in_the_middle(monkeypatch):
    tf.constant(1) + 1
    workers = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": workers, "task": {"type": "worker", "index": 0}}))
    with pytest.raises(TrainingError, match="cannot join the cluster of TF_CONFIG"):
        open_strategy(TrainingOptions())


def test_a_batch_that_cannot_be_split_is_refused(monkeypatch):
    monkeypatch.setattr(
        "components.training.strategy._strategy", lambda options: type("Two", (), {"num_replicas_in_sync": 2})()
    )
    with pytest.raises(ConfigError, match="batch_size is 7, on 2 devices") as caught:
        open_strategy(TrainingOptions(batch_size=7))
    assert caught.value.remedy == "set training.batch_size to 8"
