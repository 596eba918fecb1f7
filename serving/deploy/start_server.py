"""Starts a model server as a child process: the stock binary where it is on the PATH, else the embedded one."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

from components.errors import MissingFileError, ServingError
from serving.batching import BatchingOptions
from serving.config_text import validated
from serving.deploy.deployment import Deployment, server_flags, write_config_files
from serving.served_model import ServedModel

STOCK_BINARY = "tensorflow_model_server"
Kind = Literal["auto", "stock", "embedded"]
_STOP_SECONDS = 40.0
_LOG_LINES = 12


class ServerProcess:
    """A model server in a child process; made by `start_server` or `start_deployment`.

    Attributes:
        address: `host:port` of its gRPC services.
        command: How it was started.
        log: Where its output goes.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        folder: tempfile.TemporaryDirectory[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.address = f"127.0.0.1:{port}"
        self.command = tuple(command)
        self.log = Path(folder.name) / "server.log"
        self._port = port
        self._folder = folder
        self._output: IO[bytes] = self.log.open("wb")
        self._process = subprocess.Popen(
            self.command, stdout=self._output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def wait_until_ready(self, timeout: float) -> None:
        """Waits for the port: a model server opens it once its models are loaded.

        Raises:
            ServingError: If the server ends instead, or is not ready after `timeout` seconds; it is stopped then.
        """
        deadline = time.monotonic() + timeout
        while not _is_open(self._port):
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                tail = self.log_tail()
                self.stop()
                what = f"ended with code {code}" if code is not None else f"was not ready after {timeout:.0f} s"
                raise ServingError(
                    f"the model server {what}:\n{tail}\n  started as: {' '.join(self.command)}",
                    "a server that loads its models and opens its port",
                    "see the last lines of its output above",
                )
            time.sleep(0.05)

    def log_tail(self) -> str:
        """The last lines of the server's output."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in lines[-_LOG_LINES:])

    def stop(self) -> int:
        """Lets running requests finish, then ends the process; returns its exit code."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()
        self._folder.cleanup()
        return self._process.wait()

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_server(
    base_path: str | Path,
    model_name: str,
    batching: BatchingOptions | None = None,
    port: int = 0,
    kind: Kind = "auto",
    timeout: float = 300.0,
    flags: Sequence[str] = (),
) -> ServerProcess:
    """Starts a model server and waits until it is ready.

    Use::

        with start_server("/models/eoseg", "eoseg") as server:
            client = SegmentationClient(server.address)

    Args:
        base_path: The model's folder, whose numbered children are its versions.
        model_name: What requests call it.
        batching: How requests are batched; None takes EOSeg's default.
        port: gRPC port; 0 takes a free one.
        kind: Which server; `auto` takes the stock binary where it is on the PATH.
        timeout: Seconds until it must be ready.
        flags: Further flags of the server.

    Raises:
        MissingFileError: If the folder is missing or holds no version, or the stock binary is asked for and missing.
        ServingError: If the server does not start.
    """
    deployment = plain_deployment(base_path, model_name, port or free_port(), batching)
    return start_deployment(deployment, kind, timeout, flags)


def start_deployment(
    deployment: Deployment,
    kind: Kind = "auto",
    timeout: float = 300.0,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> ServerProcess:
    """Starts a model server with all that a deployment says, and waits until it is ready.

    Args:
        deployment: What to serve and how.
        kind: Which server; `auto` takes the stock binary where it is on the PATH.
        timeout: Seconds until it must be ready.
        flags: Further flags of the server.
        environment: Variables added to those of this process.

    Raises:
        MissingFileError: As `start_server`.
        ServingError: If the server does not start.
    """
    folder = tempfile.TemporaryDirectory(prefix="eoseg-server-")
    try:
        command = deployment_command(deployment, Path(folder.name), kind, flags)
        server = ServerProcess(command, deployment.port, folder, environment)
    except BaseException:  # an interrupt, too, must leave no folder behind
        folder.cleanup()
        raise
    try:
        server.wait_until_ready(timeout)
    except BaseException:
        server.stop()
        raise
    return server


def plain_deployment(
    base_path: str | Path, model_name: str, port: int, batching: BatchingOptions | None = None
) -> Deployment:
    """One model, its newest version.

    Raises:
        MissingFileError: If the folder is missing or holds no version.
        ConfigError: If the name or the port is none.
    """
    base_path = str(base_path)
    if "://" not in base_path:
        base_path = str(checked_base_path(base_path))
    model = validated(ServedModel, "the model to serve", name=model_name, base_path=base_path)
    return validated(Deployment, "the server", models=(model,), port=port, batching=batching or BatchingOptions())


def server_command(
    base_path: str | Path,
    model_name: str,
    port: int,
    batching: BatchingOptions | None,
    folder: Path,
    kind: Kind = "auto",
    flags: Sequence[str] = (),
) -> list[str]:
    """The command line of a server of one model; writes its config files into `folder`.

    Raises:
        MissingFileError: As `start_server`.
    """
    return deployment_command(plain_deployment(base_path, model_name, port, batching), folder, kind, flags)


def deployment_command(
    deployment: Deployment, folder: Path, kind: Kind = "auto", flags: Sequence[str] = ()
) -> list[str]:
    """The command line of a server; writes its config files into `folder`.

    Raises:
        MissingFileError: If the stock binary is asked for and missing.
    """
    write_config_files(deployment, folder, overwrite=True)
    return [*server_program(kind), *server_flags(deployment, folder), *flags]


def checked_base_path(base_path: str | Path) -> Path:
    """The absolute path of a model's folder that holds at least one version.

    Raises:
        MissingFileError: If it does not.
    """
    path = Path(base_path).absolute()
    remedy = "publish a version there with `eoseg run`, or correct --model-base and --model-name"
    expected = "the model's folder, whose numbered children are its versions"
    if not path.is_dir():
        raise MissingFileError(f"there is no folder {path} to serve", expected, remedy)
    if not any(child.name.isdigit() for child in path.iterdir()):
        raise MissingFileError(f"{path} holds no version to serve", expected, remedy)
    return path


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_program(kind: Kind) -> list[str]:
    """The words that start a server: the stock binary's path, or this Python with the embedded server.

    Raises:
        MissingFileError: If the stock binary is asked for and missing.
    """
    binary = shutil.which(STOCK_BINARY)
    if kind == "stock" and binary is None:
        raise MissingFileError(
            f"{STOCK_BINARY} is not on the PATH",
            "an installed tensorflow-model-server",
            "install it, or serve with --server embedded",
        )
    if binary is not None and kind != "embedded":
        return [binary]
    return [sys.executable, "-m", "serving.embedded.main"]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
