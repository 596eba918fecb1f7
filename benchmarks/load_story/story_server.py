"""A model server as a program that can be stopped, killed and started again on the same port."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

from benchmarks.load_story.askers import MODEL
from components.errors import ServingError
from serving.batching import BatchingOptions
from serving.deploy.deployment import MODELS_FILE, Deployment, server_flags, write_config_files
from serving.deploy.models_config import render_models_config
from serving.deploy.start_server import Kind, free_port, server_program
from serving.served_model import ServedModel, VersionPolicy

SECONDS = 120.0
"""How long anything may take; a shared machine stops for longer than one thinks."""


class Usage(NamedTuple):
    """What a process takes."""

    rss_mb: float
    threads: int


class StoryServer:
    """The server of one model.

    Args:
        folder: Gets `models/known/VERSION`, the config files and the log.
        policy: Which versions are served at the start.
        labels: Label -> version at the start.
        kind: The embedded server or the stock one.

    Attributes:
        base: The folder of the versions.
        address: `host:port`.
        log: What it wrote.
    """

    def __init__(self, folder: Path, policy: VersionPolicy, labels: dict[str, int], kind: Kind = "embedded") -> None:
        self.base = folder / "models" / MODEL
        self.log = folder / "server.log"
        self._config = folder / "config"
        deployment = Deployment(
            models=(self._model(policy, labels),),
            batching=BatchingOptions(max_batch_size=16, batch_timeout_micros=500),
            port=free_port(),
            models_poll_seconds=1,
        )
        write_config_files(deployment, self._config)
        self.address = f"127.0.0.1:{deployment.port}"
        flags = [
            *("--file_system_poll_wait_seconds=1", "--max_num_load_retries=1", "--load_retry_interval_micros=100000"),
            "--grpc_max_threads=12",  # fewer than clients, so that all are there at once and a leak shows
        ]
        self._command = [*server_program(kind), *server_flags(deployment, self._config), *flags]
        self._channel = grpc.insecure_channel(self.address, options=[("grpc.max_reconnect_backoff_ms", 500)])
        self._service = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; an open port means ready.

        Raises:
            ServingError: If it ends instead, or takes too long.
        """
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        wait_until("the server is ready", lambda: self._process_ended() or "AVAILABLE" in self.states().values())
        if self._process_ended():
            raise ServingError(f"the server ended:\n{self.log.read_text()}", "a server that serves", "see its log")

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL; its exit code."""
        return self._end(signal.SIGKILL)

    def usage(self) -> Usage:
        """What it takes now."""
        lines = Path(f"/proc/{self._running().pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return Usage(round(int(status["VmRSS"].split()[0]) / 1024, 1), int(status["Threads"]))

    def states(self) -> dict[int, str]:
        """Version -> state, of all that it knows."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = MODEL
        entries = self._service.GetModelStatus(request, SECONDS).model_version_status
        name = get_model_status_pb2.ModelVersionStatus.State.Name
        return {int(entry.version): str(name(entry.state)) for entry in entries}

    def wait_for(self, **states: Any) -> None:
        """Waits until versions, given as `v1="AVAILABLE"`, are in these states.

        Raises:
            ServingError: If they are not after a long time.
        """
        wanted = {int(name.removeprefix("v")): state for name, state in states.items()}
        wait_until(f"versions are {wanted}", lambda: wanted.items() <= self.states().items())

    def write_config(self, text: str) -> None:
        """Puts another `models.config` in the place of the old one."""
        part = self._config / "part"
        part.write_text(text, encoding="utf-8")
        part.rename(self._config / MODELS_FILE)

    def config_text(self, policy: VersionPolicy, labels: dict[str, int]) -> str:
        """The text of a `models.config`."""
        return render_models_config([self._model(policy, labels)])

    def reload(self, policy: VersionPolicy, labels: dict[str, int]) -> str:
        """Reloads the configuration by gRPC; the message of the refusal, or nothing."""
        request = model_management_pb2.ReloadConfigRequest()
        entry = request.config.model_config_list.config.add(
            name=MODEL, base_path=str(self.base), model_platform="tensorflow"
        )
        if policy.kind == "latest":
            entry.model_version_policy.latest.num_versions = policy.num_versions
        elif policy.kind == "all":
            entry.model_version_policy.all.SetInParent()
        else:
            entry.model_version_policy.specific.versions.extend(policy.versions)
        entry.version_labels.update(labels)
        status = self._service.HandleReloadConfigRequest(request, SECONDS).status
        return str(status.error_message)

    def close(self) -> None:
        """Ends whatever is left."""
        self._channel.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "StoryServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _model(self, policy: VersionPolicy, labels: dict[str, int]) -> ServedModel:
        return ServedModel(name=MODEL, base_path=str(self.base), policy=policy, labels=labels)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServingError("the server was not started", "a server that runs", "start it")
        return self._process

    def _process_ended(self) -> bool:
        return self._running().poll() is not None

    def _end(self, number: int) -> int:
        process = self._running()
        process.send_signal(number)
        return process.wait(SECONDS)


def wait_until(what: str, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Waits until a condition holds; what a server refuses meanwhile counts as not yet.

    Raises:
        ServingError: If it does not after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except grpc.RpcError:
            pass
        time.sleep(0.02)
    raise ServingError(f"after {seconds:g} s still not: {what}", "a server that does", "see its log")


def served(*versions: int) -> VersionPolicy:
    """Exactly these versions."""
    return VersionPolicy(kind="specific", versions=versions)


def latest(count: int) -> VersionPolicy:
    """The newest so many."""
    return VersionPolicy(num_versions=count)


ALL: VersionPolicy = VersionPolicy(kind="all")
