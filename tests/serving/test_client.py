import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2

from components.errors import ServingError
from serving.client import ClientOptions, SegmentationClient, image_tensor
from serving.embedded.server import EmbeddedServer
from serving.retry import RetryOptions
from serving.transport import CallError, Transport

ONCE = ClientOptions(retry=RetryOptions(attempts=1), timeout_seconds=20)


def random_patches(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)


def test_the_contract_comes_from_the_server_alone(client: SegmentationClient, table: object) -> None:
    contract = client.contract()
    assert contract.table == table
    assert (contract.patch_size, contract.dtype, contract.downsample) == (16, "uint8", 1)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_answers_come_in_the_order_of_the_patches(client: SegmentationClient, count: int) -> None:
    patches = random_patches(count)
    np.testing.assert_array_equal(client.predict_scores(patches), patches)  # class k scores what band k holds
    np.testing.assert_array_equal(client.predict_class_ids(patches), patches.argmax(-1))


def test_no_patches_give_no_answers(client: SegmentationClient) -> None:
    assert client.predict_class_ids(random_patches(0)).shape == (0, 16, 16)
    assert client.predict_scores(random_patches(0)).shape == (0, 16, 16, 3)


def test_images_travel_as_raw_bytes() -> None:
    patches = random_patches(2)
    proto = image_tensor(patches)
    assert proto.tensor_content == patches.tobytes()
    assert [dim.size for dim in proto.tensor_shape.dim] == [2, 16, 16, 3]


@pytest.mark.parametrize(
    "patches",
    [np.zeros((1, 16, 16, 4), np.uint8), np.zeros((1, 8, 16, 3), np.uint8), np.zeros((1, 16, 16, 3), np.float32)],
)
def test_patches_that_do_not_fit_are_refused_before_they_are_sent(
    client: SegmentationClient, patches: np.ndarray
) -> None:
    with pytest.raises(ServingError, match=r"shape \(n, 16, 16, 3\) and dtype uint8"):
        client.predict_class_ids(patches)


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    with (
        SegmentationClient("127.0.0.1:1", options=ONCE) as nobody,
        pytest.raises(ServingError, match=r"127\.0\.0\.1:1 answered UNAVAILABLE") as caught,
    ):
        nobody.contract()
    assert "eoseg serve" in caught.value.remedy


def test_an_unknown_model_is_named(server: EmbeddedServer) -> None:
    with (
        SegmentationClient(server.address, "nope", options=ONCE) as client,
        pytest.raises(CallError, match="any versions of model nope"),
    ):
        client.contract()


def test_an_unknown_version_is_named(server: EmbeddedServer) -> None:
    with (
        SegmentationClient(server.address, version=7, options=ONCE) as client,
        pytest.raises(CallError, match=r"Specific\(eoseg, 7\)"),
    ):
        client.contract()


def test_a_client_stays_with_the_version_it_began_with(
    tmp_path: Path, export: Callable[..., Path], start: Callable[..., EmbeddedServer]
) -> None:
    export(tmp_path / "m" / "1", bias=1)
    server = start(tmp_path / "m", file_system_poll_wait_seconds=0.05)
    patches = np.full((1, 16, 16, 3), 100, np.uint8)
    with SegmentationClient(server.address, options=ONCE) as early:
        assert early.predict_scores(patches)[0, 0, 0, 0] == 101
        export(tmp_path / "staging" / "2", bias=2)
        (tmp_path / "staging" / "2").rename(tmp_path / "m" / "2")
        wait_for_state(server, 1, "END")
        with pytest.raises(CallError) as caught:
            early.predict_scores(patches)
        assert caught.value.code == "NOT_FOUND"
        assert early.repin()
        assert early.predict_scores(patches)[0, 0, 0, 0] == 102
    with SegmentationClient(server.address, version=2, options=ONCE) as told:
        assert not told.repin()
    server.stop()


def wait_for_state(server: EmbeddedServer, version: int, state: str) -> None:
    import time

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


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(CallError("a", "b", "c", code="UNAVAILABLE")))
    assert (error.code, str(error)) == ("UNAVAILABLE", "a\n  expected: b\n  to fix:   c")
