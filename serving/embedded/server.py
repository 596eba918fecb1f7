"""The embedded model server as an object."""

import logging
import threading
from concurrent import futures
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from components.errors import ServingError
from serving.deploy.server_configs import parse_monitoring, parse_tls, read_config_text
from serving.embedded.grpc_services import add_services
from serving.embedded.model_host import ModelHost, worker_threads
from serving.embedded.options import ServerOptions
from serving.embedded.rest import RestServer
from serving.embedded.status import StatusError

_log = logging.getLogger(__name__)
_UNLIMITED = 2**31 - 1  # int32 max, the stock server's receive limit; Python's own default is 4 MiB


class EmbeddedServer:
    """A model server in this process.

    Use::

        with EmbeddedServer(ServerOptions(model_base_path="/models/eoseg", port=0)) as server:
            client = SegmentationClient(server.address)

    Args:
        options: What to serve and how.

    Attributes:
        address: `host:port`, once started.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._host = ModelHost(options)
        self._server: Any = None
        self._rest: RestServer | None = None
        self._stopped = threading.Event()
        self.address = ""

    def start(self, timeout: float | None = None) -> str:
        """Loads the models, then opens the port: an open port means ready.

        Args:
            timeout: Seconds to wait for the models; None waits as long as it takes.

        Returns:
            The address, `host:port`.

        Raises:
            ServingError: If a model cannot be loaded, or the port cannot be opened.
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
        if self._stopped.is_set():  # stopped while it waited for its first version
            return ""
        arguments = [("grpc.max_receive_message_length", _UNLIMITED), ("grpc.max_send_message_length", _UNLIMITED)]
        arguments.append(("grpc.so_reuseport", 0))  # a second server on the port must fail, not share it
        for pair in filter(None, options.grpc_channel_arguments.split(",")):
            key, _, value = pair.partition("=")
            arguments.append((key.strip(), int(value) if value.lstrip("-").isdigit() else value))  # type: ignore[arg-type]
        pool = futures.ThreadPoolExecutor(worker_threads(options), thread_name_prefix="grpc-worker")
        self._server = grpc.server(pool, options=arguments)
        add_services(self._server, self._host, options.enable_grpc_healthcheck_service)
        port = self._open_ports(credentials, metrics_path)
        self._server.start()
        if self._rest is not None:
            self._rest.start()
        if options.model_config_file and options.model_config_file_poll_wait_seconds:
            threading.Thread(target=self._poll_config_file, name="config-poll", daemon=True).start()
        self.address = f"{options.bind_address}:{port}"
        return self.address

    def stop(self) -> None:
        """Stops accepting, waits for what runs (at most `drain_seconds`), and unloads the models."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._rest is not None:
            self._rest.stop(self._options.drain_seconds)
        if self._server is not None:
            self._server.stop(self._options.drain_seconds).wait()
        self._host.stop()

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _open_ports(self, credentials: Any, metrics_path: str) -> int:
        options = self._options
        place = f"{options.bind_address}:{options.port}"
        try:
            if credentials is None:
                port: int = self._server.add_insecure_port(place)
            else:
                port = self._server.add_secure_port(place, credentials)
            if options.grpc_socket_path:
                place = f"unix:{options.grpc_socket_path}"
                Path(options.grpc_socket_path).unlink(missing_ok=True)
                self._server.add_insecure_port(place)
            if options.rest_api_port:
                place = f"{options.bind_address}:{options.rest_api_port}"
                self._rest = RestServer(
                    self._host,
                    (options.bind_address, options.rest_api_port),
                    options.rest_api_timeout_in_ms / 1000,
                    options.rest_api_enable_cors_support,
                    metrics_path,
                )
        except (RuntimeError, OSError) as error:
            self.stop()
            raise ServingError(
                f"{place} cannot be opened: {error}",
                "a free port on an address of this machine",
                "another server is probably running there: stop it, or choose another --port",
            ) from error
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
                _log.error("the model config file cannot be used: %s", error)
