"""Under load: versions come and go, one is broken, the configuration is read anew, labels move; no request notices."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import model_management_pb2

from serving.batching import BatchingOptions
from serving.embedded.server import EmbeddedServer
from tests.serving.embedded.make_models import save_half_plus
from tests.serving.embedded.wire import Wire, status_request, wait_until

Start = Callable[..., EmbeddedServer]


class Load:
    """Asks without pause in some threads; every answer must be the one of the version that gave it."""

    def __init__(self, address: str, clients: int = 4) -> None:
        self.failures: list[str] = []
        self.versions: set[int] = set()
        self.asked = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(Wire(address), n)) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, wire: Wire, number: int) -> None:
        while not self._stop.is_set():
            try:
                answer = wire.predict([[float(number)]], outputs=["y"])
            except grpc.RpcError as error:
                self.failures.append(f"{error.code().name}: {error.details()}")
                continue
            version = answer.model_spec.version.value
            if list(answer.outputs["y"].float_val) != [number / 2 + version]:
                self.failures.append(f"a wrong answer of version {version}")
            self.versions.add(version)
            self.asked += 1

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=[False, True], ids=["alone", "batched"])
def batching(request: pytest.FixtureRequest) -> BatchingOptions:
    return BatchingOptions(enabled=request.param, max_batch_size=8)


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Path]:
    for version in (1, 2, 3):
        save_half_plus(tmp_path / "staging" / str(version), float(version))
    broken = tmp_path / "staging" / "4"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"rubbish")
    return tmp_path / "staging"


def test_no_request_fails_whatever_happens_to_the_models(
    tmp_path: Path, staging: Path, start: Start, batching: BatchingOptions
) -> None:
    base = tmp_path / "m"
    base.mkdir()

    def publish(version: int) -> None:
        (staging / str(version)).rename(base / str(version))

    publish(1)
    server = start(
        base,
        model_name="m",
        file_system_poll_wait_seconds=0.05,
        batching=batching,
        max_num_load_retries=1,
        load_retry_interval_micros=50_000,
    )
    wire, load = Wire(server.address), Load(server.address)

    def configure(labels: dict[str, int], *others: str) -> None:
        request = model_management_pb2.ReloadConfigRequest()
        models = request.config.model_config_list.config
        models.add(name="m", base_path=str(base), version_labels=labels).model_version_policy.all.SetInParent()
        for name in others:
            models.add(name=name, base_path=str(base))
        answer = wire.model.HandleReloadConfigRequest(request, 20).status
        assert (answer.error_code, answer.error_message) == (0, "")

    try:
        publish(2)
        wait_until(lambda: wire.states("m") == {1: "END", 2: "AVAILABLE"})
        publish(4)  # broken: tried twice, given up, never tried again; version 2 goes on
        wait_until(lambda: wire.states("m").get(4) == "END")
        (entry,) = [
            e for e in wire.model.GetModelStatus(status_request("m"), 20).model_version_status if e.version == 4
        ]
        assert entry.status.error_code != 0
        assert entry.status.error_message
        time.sleep(0.3)
        assert wire.states("m") == {1: "END", 2: "AVAILABLE", 4: "END"}
        (base / "4").rename(staging / "4")
        publish(3)
        wait_until(lambda: wire.states("m").get(3) == "AVAILABLE" and wire.states("m").get(2) == "END")
        configure({})  # all versions: what was unloaded comes back beside it
        wait_until(lambda: [wire.states("m").get(version) for version in (1, 2, 3)] == ["AVAILABLE"] * 3)
        for stable in (2, 1):
            configure({"stable": stable})
            assert wire.predict(label="stable", outputs=["y"]).model_spec.version.value == stable
        configure({"stable": 1}, "other")
        assert wire.states("other") == {3: "AVAILABLE"}  # a reload waits for what is new
        (base / "3").rename(staging / "3")  # rolled back
        wait_until(lambda: wire.states("m").get(3) == "END")
        assert wire.predict(outputs=["y"]).model_spec.version.value == 2
    finally:
        load.end()
        server.stop()
    assert load.failures == []
    assert load.versions == {1, 2, 3}
    assert load.asked > 100
