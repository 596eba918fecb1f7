"""What both clients promise, against the embedded server."""

import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

from components.errors import ConfigError, ServingError
from serving.client import ClientOptions
from serving.embedded.server import EmbeddedServer
from serving.retry import RetryOptions
from serving.transport import CallError, Transport
from tests.serving.both_clients import KINDS, make_client

ONCE = ClientOptions(retry=RetryOptions(attempts=1), timeout_seconds=20)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def random_patches(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)


def test_the_contract_comes_from_the_server_alone(kind: str, server: EmbeddedServer, table: object) -> None:
    with make_client(kind, server.address) as client:
        contract = client.contract()
        assert contract.table == table
        assert (contract.patch_size, contract.dtype, contract.downsample) == (16, "uint8", 1)
        assert client.version == 1


@pytest.mark.parametrize("count", [1, 3, 7])
def test_answers_come_in_the_order_of_the_patches(kind: str, server: EmbeddedServer, count: int) -> None:
    patches = random_patches(count)
    with make_client(kind, server.address, options=ClientOptions(patches_per_request=3)) as client:
        np.testing.assert_array_equal(client.predict_scores(patches), patches)  # class k scores what band k holds
        np.testing.assert_array_equal(client.predict_class_ids(patches), patches.argmax(-1))


def test_no_patches_give_no_answers(kind: str, server: EmbeddedServer) -> None:
    with make_client(kind, server.address) as client:
        assert client.predict_class_ids(random_patches(0)).shape == (0, 16, 16)
        assert client.predict_scores(random_patches(0)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(
    "patches",
    [np.zeros((1, 16, 16, 4), np.uint8), np.zeros((1, 8, 16, 3), np.uint8), np.zeros((1, 16, 16, 3), np.float32)],
)
def test_patches_that_do_not_fit_are_refused_before_they_are_sent(
    kind: str, server: EmbeddedServer, patches: np.ndarray
) -> None:
    with (
        make_client(kind, server.address) as client,
        pytest.raises(ServingError, match=r"shape \(n, 16, 16, 3\) and dtype uint8"),
    ):
        client.predict_class_ids(patches)


def test_a_server_that_is_not_there_is_one_clear_error(kind: str) -> None:
    with (
        make_client(kind, "127.0.0.1:1", options=ONCE) as nobody,
        pytest.raises(ServingError, match=r"127\.0\.0\.1:1 answered UNAVAILABLE") as caught,
    ):
        nobody.contract()
    assert "eoseg serve" in caught.value.remedy


def test_an_unknown_model_is_named(kind: str, server: EmbeddedServer) -> None:
    with (
        make_client(kind, server.address, "nope", options=ONCE) as client,
        pytest.raises(CallError, match="any versions of model nope"),
    ):
        client.contract()


def test_an_unknown_version_is_named(kind: str, server: EmbeddedServer) -> None:
    with (
        make_client(kind, server.address, version=7, options=ONCE) as client,
        pytest.raises(CallError, match=r"Specific\(eoseg, 7\)"),
    ):
        client.contract()


def test_a_client_stays_with_the_version_it_began_with(
    kind: str, tmp_path: Path, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> None:
    export(tmp_path / "m" / "1", bias=1)
    server = start(tmp_path / "m", file_system_poll_wait_seconds=0.05)
    patches = np.full((1, 16, 16, 3), 100, np.uint8)
    with make_client(kind, server.address, options=ONCE) as early:
        assert early.predict_scores(patches)[0, 0, 0, 0] == 101
        export(tmp_path / "staging" / "2", bias=2)
        (tmp_path / "staging" / "2").rename(tmp_path / "m" / "2")
        wait_for_state(server, 1, "END")
        with pytest.raises(CallError) as caught:
            early.predict_scores(patches)
        assert caught.value.code == "NOT_FOUND"
        assert early.repin()
        assert early.predict_scores(patches)[0, 0, 0, 0] == 102
    with make_client(kind, server.address, version=2, options=ONCE) as told:
        assert not told.repin()
    server.stop()


def test_a_label_is_pinned_to_its_version_at_the_first_request(
    kind: str, tmp_path: Path, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> None:
    for version in (1, 2):
        export(tmp_path / "m" / str(version), bias=version)
    config = tmp_path / "models.config"
    config.write_text(models_config(tmp_path / "m", stable=1))
    server = start(tmp_path / "m", model_config_file=str(config), allow_version_labels_for_unavailable_models=True)
    patches = np.full((1, 16, 16, 3), 100, np.uint8)
    with make_client(kind, server.address, options=ONCE, label="stable") as client:
        assert client.wait_until_ready(20) == 1
        assert client.predict_scores(patches)[0, 0, 0, 0] == 101
        move_label(server, tmp_path / "m", 2)
        assert client.predict_scores(patches)[0, 0, 0, 0] == 101
        assert client.repin()
        assert client.predict_scores(patches)[0, 0, 0, 0] == 102
        assert client.version == 2
    with (
        make_client(kind, server.address, options=ONCE, label="canary") as client,
        pytest.raises(ServingError, match="no label 'canary'"),
    ):
        client.contract()
    server.stop()


def models_config(base: Path, stable: int) -> str:
    return (
        f'model_config_list {{ config {{ name: "eoseg" base_path: "{base}" model_platform: "tensorflow" '
        f'model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {stable} }} }} }}'
    )


def move_label(server: EmbeddedServer, base: Path, version: int) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(models_config(base, version), request.config)
    with grpc.insecure_channel(server.address) as channel:
        answer = model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=20)
    assert answer.status.error_code == 0, answer


def test_version_and_label_together_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="version 1 and label 'stable'"):
        make_client(kind, "127.0.0.1:1", version=1, label="stable")


def wait_for_state(server: EmbeddedServer, version: int, state: str) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "eoseg"
    deadline = time.monotonic() + 20
    with Transport(server.address) as transport:
        while time.monotonic() < deadline:
            entries = {entry.version: entry.state for entry in transport.model_status(request, 5).model_version_status}
            if entries.get(version) == get_model_status_pb2.ModelVersionStatus.State.Value(state):
                return
            time.sleep(0.02)
    raise TimeoutError(f"version {version} did not reach {state}")
