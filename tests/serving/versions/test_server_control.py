"""The reload request on the wire, against the original messages."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.deploy.models_config import render_models_config
from serving.served_model import ServedModel, VersionPolicy
from serving.versions.model_entry import config_message
from serving.versions.registry_error import RegistryError
from serving.versions.server_control import ServedState, ServerControl, _reload_response, _varint


class Recorded(ServerControl):
    """Answers with states, one after the other; keeps what it was sent."""

    def __init__(self, *states: dict[int, ServedState]) -> None:
        super().__init__("127.0.0.1:1", "eoseg")
        self.sent: list[bytes] = []
        self.answer = model_management_pb2.ReloadConfigResponse()
        self._states = list(states)

    def states(self) -> dict[int, ServedState]:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def _call(self, method: object, request: bytes) -> object:
        self.sent.append(request)
        return _reload_response().FromString(self.answer.SerializeToString())


@given(names=st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=60), unique=True, max_size=40))
def test_the_request_is_the_originals(names: list[str]) -> None:
    models = [
        ServedModel(
            name=name,
            base_path=f"/models/{name}",
            policy=VersionPolicy(kind="specific", versions=(1, 2**40)),
            labels={"stable": 1},
        )
        for name in names
    ]
    text = render_models_config(models)
    control = Recorded({})
    control.reload(text)
    control.close()
    request = model_management_pb2.ReloadConfigRequest.FromString(control.sent[0])
    assert request.config == text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert request.config.SerializeToString(deterministic=True) == config_message(text)


@given(number=st.integers(0, 2**35))
def test_a_length_is_read_as_it_was_written(number: int) -> None:
    read = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(_varint(number)))
    assert read == number
    assert all(byte & 0x80 for byte in _varint(number)[:-1])
    assert not _varint(number)[-1] & 0x80


def test_a_refusal_stands_in_the_answers_status() -> None:
    control = Recorded({})
    control.answer.status.error_code = 9
    control.answer.status.error_message = "Request to assign label to version 3"
    with control, pytest.raises(RegistryError, match="Request to assign label to version 3"):
        control.reload(render_models_config([ServedModel(name="m", base_path="/m")]))


def test_states_have_the_originals_names() -> None:
    names = set(get_model_status_pb2.ModelVersionStatus.State.keys())
    assert {"START", "LOADING", "AVAILABLE", "UNLOADING", "END"} <= names


def test_a_failure_of_before_counts_only_if_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {3: ServedState("END", "broken")}
    with Recorded(failed, failed, {3: ServedState("LOADING", "")}, {3: ServedState("AVAILABLE", "")}) as control:
        control.wait_available({3}, 10, before=failed)
    with Recorded(failed) as control, pytest.raises(RegistryError, match="broken"):
        control.wait_available({3}, 10, before={})
    monkeypatch.setattr("serving.versions.server_control._STALE_SECONDS", 0.3)
    with Recorded(failed) as control, pytest.raises(RegistryError, match="broken"):
        control.wait_available({3}, 10, before=failed)


def test_a_version_that_never_loads_is_waited_for_so_long_and_no_longer() -> None:
    with Recorded({3: ServedState("LOADING", "")}) as control, pytest.raises(RegistryError, match=r"after 0\.3 s"):
        control.wait_available({3}, 0.3)
    with Recorded({}) as control, pytest.raises(RegistryError, match="versions there: none"):
        control.wait_available({3}, 0.3)
