"""TensorFlow Serving's `monitoring.config` and `ssl.config`, there and back."""

from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_format
from pydantic import Field, ValidationError, model_validator

from components.errors import ConfigError, MissingFileError
from components.options import Options
from serving.wire_messages import message_class

Validated = TypeVar("Validated", bound=Options)

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


class MonitoringOptions(Options):
    """Whether Prometheus may read, and where. The stock server answers on its REST port."""

    enable: bool = False
    path: str = Field(default=PROMETHEUS_PATH, pattern=r"^/.+")


class TlsOptions(Options):
    """Keys and certificates in PEM, the texts themselves, as TensorFlow Serving wants them.

    Raises:
        pydantic.ValidationError: If clients must be verified and there is no authority to verify them by.
    """

    server_key: str = Field(min_length=1, repr=False)
    server_cert: str = Field(min_length=1)
    custom_ca: str = ""
    """The authority that signs clients' certificates."""
    client_verify: bool = False
    """Mutual TLS: clients must show a certificate of that authority."""

    @model_validator(mode="after")
    def _authority_for_clients(self) -> "TlsOptions":
        if self.client_verify and not self.custom_ca:
            raise ValueError("client_verify needs custom_ca, the authority that signs the clients' certificates")
        return self


def render_monitoring(options: MonitoringOptions) -> str:
    """The text of a `--monitoring_config_file`; `parse_monitoring` is its inverse."""
    message = message_class("tensorflow.serving.MonitoringConfig")()
    message.prometheus_config.enable = options.enable
    message.prometheus_config.path = options.path
    text: str = text_format.MessageToString(message)
    return text


def parse_monitoring(text: str, source: str = "the monitoring config") -> MonitoringOptions:
    """Reads a monitoring config's text; an empty path is Prometheus' usual one.

    Raises:
        ConfigError: If it cannot be read.
    """
    message = _parsed(text, "tensorflow.serving.MonitoringConfig", source)
    config = message.prometheus_config
    return _validated(MonitoringOptions, source, enable=config.enable, path=config.path or PROMETHEUS_PATH)


def render_tls(options: TlsOptions) -> str:
    """The text of an `--ssl_config_file`; `parse_tls` is its inverse. It holds the private key: keep it private."""
    message = message_class("tensorflow.serving.SSLConfig")(**options.model_dump())
    text: str = text_format.MessageToString(message)
    return text


def parse_tls(text: str, source: str = "the SSL config") -> TlsOptions:
    """Reads an SSL config's text.

    Raises:
        ConfigError: If it cannot be read, or lacks key or certificate.
    """
    message = _parsed(text, "tensorflow.serving.SSLConfig", source)
    return _validated(
        TlsOptions,
        source,
        server_key=message.server_key,
        server_cert=message.server_cert,
        custom_ca=message.custom_ca,
        client_verify=message.client_verify,
    )


def read_config_text(path: str | Path) -> str:
    """The text of a config file.

    Raises:
        MissingFileError: If there is no such file.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} does not exist", "a config file of the server", "correct the path") from error


def _parsed(text: str, name: str, source: str) -> Any:
    try:
        return text_format.Parse(text, message_class(name)())
    except text_format.ParseError as error:
        raise ConfigError(
            f"Invalid protobuf file: '{source}': {error}", f"a text-format {name} message", "correct it"
        ) from error


def _validated(kind: type[Validated], source: str, **values: Any) -> Validated:
    try:
        return kind(**values)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": Value error, ")
            for detail in error.errors(include_input=False)
        )
        raise ConfigError(f"{source}: {reasons}", "values that TensorFlow Serving accepts", "correct them") from None
