"""A model server as it is told what to serve: `HandleReloadConfigRequest`, and the versions' states."""

import time
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from components.errors import ServingError
from serving.call_error import CallError, call_error
from serving.channel import BearerToken, ChannelOptions, open_channel
from serving.predict_messages import VERSION_STATES, message_class
from serving.versions.model_entry import config_message
from serving.versions.registry_error import RegistryError

_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_CALL_SECONDS = 60.0
_RETRY_SECONDS = 10.0
_STALE_SECONDS = 5.0
_LOOK_SECONDS = 0.1
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
_NAMES = {number: name for name, number in VERSION_STATES.items()}


class ServedState(NamedTuple):
    """A version on a server: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`, and why it ended."""

    state: str
    error: str


class ServerControl:
    """One server of one model.

    Args:
        address: `host:port` of its gRPC port.
        model_name: As served.
        channel: Encryption and token.

    Raises:
        ConfigError, MissingFileError: On an address that is none, or certificates or a token that cannot be used.
    """

    def __init__(self, address: str, model_name: str, channel: ChannelOptions | None = None) -> None:
        options = channel or ChannelOptions()
        self.address = address
        self._model_name = model_name
        self._token = BearerToken(options)
        self._channel = open_channel(grpc, address, options)
        self._status = self._method(_STATUS, message_class("tensorflow.serving.GetModelStatusResponse"))
        self._reload = self._method(_RELOAD, _reload_response())

    def states(self) -> dict[int, ServedState]:
        """Version -> state, of all versions that the server has ever known; empty where it has none of the model.

        Raises:
            CallError: If the server does not answer.
        """
        request = message_class("tensorflow.serving.GetModelStatusRequest")()
        request.model_spec.name = self._model_name
        try:
            entries = self._call(self._status, request.SerializeToString()).model_version_status
        except CallError as error:
            if error.code == "NOT_FOUND":
                return {}
            raise
        return {
            int(entry.version): ServedState(_NAMES.get(entry.state, str(entry.state)), entry.status.error_message)
            for entry in entries
        }

    def available(self) -> set[int]:
        """The versions that answer requests.

        Raises:
            CallError: If the server does not answer.
        """
        return {version for version, state in self.states().items() if state.state == "AVAILABLE"}

    def reload(self, config_text: str) -> None:
        """Serves what a `models.config` says from now on; returns when the server has taken it.

        Raises:
            CallError: If the server does not answer.
            RegistryError: If it refuses the file; then it goes on as before.
        """
        config = config_message(config_text)
        status = self._call(self._reload, b"\x0a" + _varint(len(config)) + config).status
        if status.error_code or status.error_message:
            raise RegistryError(
                f"the model server at {self.address} refuses the new models.config: {status.error_message}",
                "a config that the server takes",
                "see its log; it goes on with the config before",
            )

    def wait_available(
        self, versions: set[int], timeout: float, before: Mapping[int, ServedState] | None = None
    ) -> None:
        """Waits until versions answer requests.

        Args:
            versions: To wait for.
            timeout: Seconds.
            before: The states before the server was told to load them: a failure that stands there already may be
                an earlier one, and counts only if it stays.

        Raises:
            CallError: If the server does not answer.
            RegistryError: If one cannot be loaded, with the server's own reason, or is not after `timeout` seconds.
        """
        started = time.monotonic()
        while True:
            states = self.states()
            seconds = time.monotonic() - started
            waiting = {version for version in versions if states.get(version, ServedState("", "")).state != "AVAILABLE"}
            if not waiting:
                return
            for version in sorted(waiting):
                state = states.get(version)
                is_stale = seconds < _STALE_SECONDS and state == (before or {}).get(version)
                if state is not None and state.state == "END" and state.error and not is_stale:
                    raise RegistryError(
                        f"version {version} cannot be loaded by the model server at {self.address}: {state.error}",
                        "a SavedModel that loads",
                        "publish it again, or retire it; what was served before is served still",
                    )
            if seconds > timeout:
                known = ", ".join(f"{version}: {state.state}" for version, state in sorted(states.items())) or "none"
                raise RegistryError(
                    f"version {min(waiting)} is not AVAILABLE at {self.address} after {timeout:g} s (versions there: "
                    f"{known})",
                    "a version that loads, from the base_path in models.config as that server sees it",
                    "see the server's log: it tries what fails again, and calls it LOADING meanwhile; give --timeout "
                    "more seconds, or --base-path where a container sees another path",
                )
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> "ServerControl":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _method(self, path: str, response: Any) -> Any:
        return self._channel.unary_unary(
            path, request_serializer=lambda request: request, response_deserializer=response.FromString
        )

    def _call(self, method: Any, request: bytes) -> Any:
        """Tries again for a few seconds while nobody answers: both calls may be repeated."""
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                return method(request, timeout=_CALL_SECONDS, metadata=self._token.metadata())
            except grpc.RpcError as error:
                failure = call_error(self.address, error)
                if failure.code not in _AWAY or time.monotonic() > deadline:
                    raise failure from error
            except ValueError as error:  # grpc's word for a closed channel
                raise ServingError(f"the connection to {self.address} is closed", "an open one", "") from error
            time.sleep(5 * _LOOK_SECONDS)


def _varint(number: int) -> bytes:
    """Protobuf's base-128 form of a length."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@lru_cache(maxsize=1)
def _reload_response() -> Any:
    """`ReloadConfigResponse`, whose module in `tensorflow-serving-api` imports TensorFlow (8 s and more)."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="eoseg/reload.proto", package="eoseg.reload", syntax="proto3")
    status = file.message_type.add(name="StatusProto")
    status.field.add(name="error_code", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    status.field.add(name="error_message", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    response = file.message_type.add(name="ReloadConfigResponse")
    response.field.add(
        name="status",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name=".eoseg.reload.StatusProto",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName("eoseg.reload.ReloadConfigResponse")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)  # protobuf 3, the Python 3.10 lane
