"""TensorFlow Serving's `monitoring.config` and `ssl.config`, there and back."""

import ssl
from pathlib import Path

from google.protobuf import text_format
from pydantic import Field, model_validator

from components.errors import ConfigError
from components.options import Options
from serving.config_text import parse_message, validated
from serving.config_text import read_config_text as read_config_text
from serving.wire_messages import message_class

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
    empty = message_class("tensorflow.serving.MonitoringConfig")()
    message = parse_message(text, empty, source, f'prometheus_config {{ enable: true path: "{PROMETHEUS_PATH}" }}')
    config = message.prometheus_config
    return validated(MonitoringOptions, source, enable=config.enable, path=config.path or PROMETHEUS_PATH)


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
    empty = message_class("tensorflow.serving.SSLConfig")()
    message = parse_message(
        text, empty, source, 'server_key: "-----BEGIN ..." server_cert: "-----BEGIN ..."', secret=True
    )
    return validated(
        TlsOptions,
        source,
        server_key=message.server_key,
        server_cert=message.server_cert,
        custom_ca=message.custom_ca,
        client_verify=message.client_verify,
    )


def tls_from_files(cert: str | Path, key: str | Path, client_ca: str | Path | None = None) -> TlsOptions:
    """TLS, and with `client_ca` mutual TLS, from PEM files.

    Args:
        cert: The server's certificate, with the chain behind it.
        key: Its private key, not encrypted: gRPC cannot ask for a password.
        client_ca: The authority whose certificates clients must show.

    Raises:
        MissingFileError: If a file is not there.
        ConfigError: If one is not PEM, or the key is not the certificate's.
    """
    texts = [read_config_text(cert, "a certificate in PEM"), read_config_text(key, "a private key in PEM")]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A wrong password ends in an error; without one, an encrypted key would ask at the terminal.
        context.load_cert_chain(cert, key, password="")
        if client_ca is not None:
            texts.append(read_config_text(client_ca, "certificates in PEM"))
            context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"certificate {cert}, key {key}"
            + (f", clients' authority {client_ca}" if client_ca else "")
            + f": {error}",
            "PEM files, an unencrypted key, and the certificate of that key",
            "correct --tls-cert, --tls-key or --client-ca",
        ) from None
    return TlsOptions(
        server_cert=texts[0], server_key=texts[1], custom_ca="".join(texts[2:]), client_verify=client_ca is not None
    )
