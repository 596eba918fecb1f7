"""The server as a program, started and found ready as tools made for the stock server do it."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc

from serving.deploy.start_server import free_port
from tests.serving.embedded.wire import Wire, predict_request

READY_SECONDS = 120


class Program:
    """A child process of `eoseg-model-server`.

    Args:
        flags: As `--flag=value`, without ports.
        folder: Gets its output.
    """

    def __init__(self, flags: str, folder: Path) -> None:
        self.port, self.rest_port = free_port(), free_port()
        self.output, self.errors = folder / "stdout", folder / "stderr"
        script = Path(sys.executable).with_name("eoseg-model-server")
        own = str(script) if script.exists() else f"{sys.executable} -m serving.embedded.main"
        command = f"{own} --port={self.port} --rest_api_port={self.rest_port} --rest_api_timeout_in_ms=5000 {flags}"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(shlex.split(command), stdout=output, stderr=errors)

    @property
    def wire(self) -> Wire:
        return Wire(f"localhost:{self.port}")

    @property
    def url(self) -> str:
        return f"http://localhost:{self.rest_port}"

    def wait_until_ready(self) -> "Program":
        """Asks for a model that is not there, until the answer speaks of servables."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.wire.prediction.Predict(predict_request(name="intentionally_missing_model"), 5.0)
            except grpc.RpcError as error:
                if "Servable" in error.details():
                    return self
            time.sleep(0.1)
        raise TimeoutError(self.errors.read_text())

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def memory_and_threads(self) -> tuple[float, int]:
        """Resident megabytes, and threads."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])


def write_models_config(folder: Path, *names: str) -> Path:
    """A model config file in `folder` that lists the models in its folders of those names."""
    entries = [
        f'config: {{ name: "{name}", base_path: "{folder / name}", model_platform: "tensorflow" }}' for name in names
    ]
    path = folder / "models.config"
    path.write_text("model_config_list: {\n" + ",\n".join(entries) + "\n}\n")
    return path
