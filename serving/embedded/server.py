"""The embedded model server as an object."""

import logging
import threading
from concurrent import futures
from types import TracebackType
from typing import Any

import grpc

from components.errors import ServingError
from serving.config_text import read_config_text
from serving.deploy.server_configs import parse_monitoring, parse_tls
from serving.embedded.grpc_services import add_services
from serving.embedded.health import Health
from serving.embedded.model_host import ModelHost
from serving.embedded.options import ServerOptions
from serving.embedded.request_limits import waiting_requests, worker_threads
from serving.embedded.rest import RestServer
from serving.embedded.status import StatusError

_log = logging.getLogger(__name__)

_UNLIMITED = 2**31 - 1  # int32 max, the stock server's receive limit; Python's own default is 4 MiB
# A peer that is gone without a word, or reads no more, gives back its memory after these milliseconds instead of
# after TCP's quarter of an hour.
_KEEPALIVE = (("grpc.keepalive_time_ms", 60_000), ("grpc.keepalive_timeout_ms", 20_000))


class EmbeddedServer:
    """A model server in this process.

    Use::

        with EmbeddedServer(ServerOptions(model_base_path="/models/eoseg", port=0)) as server:
            client = SegmentationClient(server.address)

    Args:
        options: What to serve and how.

    Attributes:
        address: `host:port` of gRPC, once started.
        rest_address: `host:port` of REST, once started; empty without it.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._host = ModelHost(options)
        self._health = Health() if options.enable_grpc_healthcheck_service else None
        self._server: Any = None
        self._rest: RestServer | None = None
        self._opening = threading.Lock()
        self._stopped = threading.Event()
        self.address = ""
        self.rest_address = ""

    def start(self, timeout: float | None = None) -> str:
        """Loads the models, then opens the ports: an open port means ready.

        Args:
            timeout: Seconds to wait for the models; None waits as long as it takes.

        Returns:
            The address, `host:port`; empty if the server was stopped meanwhile.

        Raises:
            ConfigError: If a config file cannot be used.
            ServingError: If a model cannot be loaded, or a port cannot be opened.
        """
        options = self._options
        credentials, metrics_path = self._credentials(), self._metrics_path()
        try:
            self._host.start(timeout)
        except StatusError as error:
            self.stop()
            source = options.model_config_file or options.model_base_path
            raise ServingError(
                f"Failed to start server. Error: {error}",
                f"SavedModel versions that can be loaded under {source}",
                f"look at the version's files under {source}; each version is a numbered folder with saved_model.pb",
            ) from error
        with self._opening:
            if self._stopped.is_set():  # stopped while it waited for its first version
                return ""
            self._server = grpc.server(
                futures.ThreadPoolExecutor(worker_threads(options), thread_name_prefix="grpc-worker"),
                options=self._channel_arguments(),
                maximum_concurrent_rpcs=worker_threads(options) + waiting_requests(options),
            )
            add_services(self._server, self._host, self._health)
            port = self._open_ports(credentials, metrics_path)
            self._server.start()
            if self._rest is not None:
                self._rest.start()
        if options.model_config_file and options.model_config_file_poll_wait_seconds:
            threading.Thread(target=self._poll_config_file, name="config-poll", daemon=True).start()
        self.address = f"{options.bind_address}:{port}"
        _log.info("Running gRPC ModelServer at %s ...", self.address)
        if options.grpc_socket_path:
            _log.info("Running gRPC ModelServer at UNIX socket %s ...", options.grpc_socket_path)
        if self._rest is not None:
            self.rest_address = f"{options.bind_address}:{self._rest.port}"
            _log.info("Exporting HTTP/REST API at:%s ...", self.rest_address)
        return self.address

    def stop(self) -> None:
        """Stops accepting, waits for what runs (at most `drain_seconds`), and unloads the models."""
        with self._opening:
            if self._stopped.is_set():
                return
            self._stopped.set()
        self._close_ports()
        self._host.stop()

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _close_ports(self) -> None:
        """Both doors first, then the wait: else requests would come in by the one while the other drains."""
        if self._health is not None:
            self._health.end()
        drained = None if self._server is None else self._server.stop(self._options.drain_seconds)
        if self._rest is not None:
            self._rest.stop(self._options.drain_seconds)
        if drained is not None:
            drained.wait()

    def _channel_arguments(self) -> list[tuple[str, int | str]]:
        arguments: dict[str, int | str] = {
            "grpc.max_receive_message_length": _UNLIMITED,
            "grpc.max_send_message_length": _UNLIMITED,
            "grpc.so_reuseport": 0,  # a second server on the port must fail, not share it
            **dict(_KEEPALIVE),
        }
        for pair in filter(None, self._options.grpc_channel_arguments.split(",")):
            key, _, value = pair.partition("=")
            try:
                arguments[key.strip()] = int(value)
            except ValueError:
                arguments[key.strip()] = value
        return list(arguments.items())

    def _open_ports(self, credentials: Any, metrics_path: str) -> int:
        options = self._options
        places = [f"{options.bind_address}:{options.port}"]
        if options.grpc_socket_path:
            places.append(f"unix:{options.grpc_socket_path}")
        place, ports = places[0], []
        try:
            for place in places:
                if credentials is None:
                    ports.append(self._server.add_insecure_port(place))
                else:
                    ports.append(self._server.add_secure_port(place, credentials))
            if options.rest_api_port:
                place = f"{options.bind_address}:{options.rest_api_port}"
                self._rest = RestServer(self._host, options, metrics_path)
        except (RuntimeError, OSError) as error:
            self._stopped.set()
            self._server.stop(0)
            self._host.stop()
            raise ServingError(
                f"{place} cannot be opened: {error}",
                "a free port on an address of this machine",
                "another server is probably running there: stop it, or choose another --port",
            ) from error
        port: int = ports[0]
        return port

    def _credentials(self) -> Any:
        if not self._options.ssl_config_file:
            return None
        file = self._options.ssl_config_file
        tls = parse_tls(read_config_text(file), file)
        return grpc.ssl_server_credentials(
            [(tls.server_key.encode(), tls.server_cert.encode())],
            root_certificates=tls.custom_ca.encode() or None,
            require_client_auth=tls.client_verify,
        )

    def _metrics_path(self) -> str:
        if not self._options.monitoring_config_file:
            return ""
        file = self._options.monitoring_config_file
        monitoring = parse_monitoring(read_config_text(file), file)
        return monitoring.path if monitoring.enable else ""

    def _poll_config_file(self) -> None:
        while not self._stopped.wait(self._options.model_config_file_poll_wait_seconds):
            try:
                self._host.reread_config_file()
            except StatusError as error:
                _log.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error)
