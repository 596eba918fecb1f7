"""How the client's channel is made: encryption, token, compression, sizes, keepalive."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import grpc
from pydantic import Field, SecretStr, model_validator

from components.errors import ConfigError, MissingFileError
from components.options import Options

UNLIMITED = 2**31 - 1
"""gRPC's own limit is 4 MiB, which 22 float32 patches of 128 x 128 x 3 exceed."""

_COMPRESSION = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}
_AUTHORIZATION = "authorization"

Metadata = Sequence[tuple[str, str]]


class ClientTls(Options):
    """The client's side of TLS; PEM files.

    Raises:
        pydantic.ValidationError: If only one of key and certificate is given.
    """

    ca_file: Path | None = None
    """The authorities whose servers are trusted; None takes the public ones that gRPC brings."""
    client_key_file: Path | None = None
    """With `client_cert_file`, for servers that verify their clients (`client_verify` in the server's SSLConfig)."""
    client_cert_file: Path | None = None
    server_name: str = ""
    """The name to find in the server's certificate where it is not the address's, as through a tunnel."""

    @model_validator(mode="after")
    def _key_with_certificate(self) -> "ClientTls":
        if (self.client_key_file is None) != (self.client_cert_file is None):
            raise ValueError("mutual TLS needs client_key_file and client_cert_file; only one is given")
        return self


class ChannelOptions(Options):
    """The connection to a model server.

    Raises:
        pydantic.ValidationError: On contradictions, among them a token that would travel unencrypted.
    """

    tls: ClientTls | None = None
    """None is unencrypted, as the stock server is without `--ssl_config_file`."""
    token: SecretStr | None = None
    """Sent with every call as `authorization: Bearer TOKEN`, for a proxy before the server: TensorFlow Serving itself
    ignores it."""
    token_file: Path | None = None
    """The same from a file, which is read again when it changes: tokens expire."""
    allow_token_without_tls: bool = False
    """Sends the token readable by all on the way; for a proxy on the same machine."""
    compression: Literal["none", "gzip", "deflate"] = "none"
    """Of requests. Imagery hardly compresses, and it costs both sides time: for thin lines only."""
    max_message_bytes: int = Field(default=UNLIMITED, gt=0, le=UNLIMITED)
    """The largest message to send or receive."""
    keepalive_seconds: float | None = Field(default=60.0, ge=1)
    """Asks a server that has been silent this long during a call whether it is there; None never asks. A server's gRPC
    closes connections that ask more often than every 5 minutes for more than a few times in one silent call."""
    keepalive_timeout_seconds: float = Field(default=20.0, gt=0)
    """How long it may take to say that it is; then calls fail with UNAVAILABLE, and are tried again."""

    @model_validator(mode="after")
    def _token_travels_encrypted(self) -> "ChannelOptions":
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file are both given; give one")
        has_token = self.token is not None or self.token_file is not None
        if has_token and self.tls is None and not self.allow_token_without_tls:
            raise ValueError(
                "a token needs TLS, or everyone on the way can read it; give tls, or set allow_token_without_tls"
            )
        return self


def open_channel(grpc_module: Any, address: str, options: ChannelOptions, credentials: Any = None) -> Any:
    """A channel of `grpc` or `grpc.aio` to `address`.

    Args:
        grpc_module: `grpc` or `grpc.aio`.
        address: `host:port`, `unix:/path`, or another name that gRPC resolves (`dns:///host:port`).
        options: The connection.
        credentials: `grpc.ssl_channel_credentials(...)` in place of `options.tls`.

    Raises:
        ConfigError, MissingFileError: On an address that is none, or certificate files that cannot be used.
    """
    check_address(address)
    if credentials is None and options.tls is not None:
        credentials = _credentials(options.tls)
    arguments, compression = _arguments(options), _COMPRESSION[options.compression]
    if credentials is None:
        return grpc_module.insecure_channel(address, options=arguments, compression=compression)
    return grpc_module.secure_channel(address, credentials, options=arguments, compression=compression)


def check_address(address: str) -> None:
    """Refuses what gRPC would take for a host at port 443.

    Raises:
        ConfigError: If `address` has no port, or is a web address.
    """
    scheme, colon, rest = address.partition(":")
    if colon and scheme in ("unix", "unix-abstract", "dns", "ipv4", "ipv6", "vsock", "xds", "passthrough"):
        if rest:
            return
    elif "/" not in address and address.rpartition(":")[2].isdigit() and address.rpartition(":")[0]:
        return
    raise ConfigError(
        f"'{address}' is no address of a gRPC server",
        "host:port as in localhost:8500, or unix:/path/of/socket",
        "leave out http:// and paths; the gRPC port is --port of the server (8500), not --rest_api_port",
    )


class BearerToken:
    """The metadata that says who calls.

    Raises:
        ConfigError, MissingFileError: If the token's file cannot be used.
    """

    def __init__(self, options: ChannelOptions) -> None:
        self._file = options.token_file
        self._read_of: tuple[int, int] | None = None
        self._metadata: Metadata = ()
        if options.token is not None:
            self._metadata = _bearer(options.token.get_secret_value(), "the option 'token'")
        self.metadata()

    def metadata(self) -> Metadata:
        """For the next call; a token file that has changed is read again.

        Raises:
            ConfigError, MissingFileError: If the token's file could never be used.
        """
        if self._file is None:
            return self._metadata
        try:
            stat = self._file.stat()
            state = (stat.st_mtime_ns, stat.st_size)
            if state != self._read_of:
                self._metadata = _bearer(self._file.read_text(encoding="utf-8"), str(self._file))
                self._read_of = state
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            if self._read_of is not None:  # caught while it is replaced: the token before is still the best there is
                return self._metadata
            if isinstance(error, ConfigError):
                raise
            raise _unreadable(self._file, "a token", error) from error
        return self._metadata


def _bearer(text: str, source: str) -> Metadata:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{source} holds no token: {len(token)} characters",  # never the text itself
            "one line of printable ASCII without spaces",
            "write the bare token, without 'Bearer'",
        )
    return ((_AUTHORIZATION, f"Bearer {token}"),)


def _arguments(options: ChannelOptions) -> list[tuple[str, Any]]:
    arguments: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", options.max_message_bytes),
        # gRPC waits up to two minutes before it looks again for a server that was not there.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    if options.keepalive_seconds is not None:
        arguments += [
            ("grpc.keepalive_time_ms", round(options.keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", round(options.keepalive_timeout_seconds * 1000)),
        ]
    if options.tls is not None and options.tls.server_name:
        arguments.append(("grpc.ssl_target_name_override", options.tls.server_name))
    return arguments


def _credentials(tls: ClientTls) -> Any:
    """gRPC itself finds fault with a file only when it connects, and does not say with which."""
    authorities = key = certificate = None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca_file is not None:
        authorities = _read_pem(tls.ca_file, "CERTIFICATE")
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except ssl.SSLError as error:
            raise _broken(tls.ca_file, "certificates of authorities", error) from error
    if tls.client_key_file is not None and tls.client_cert_file is not None:
        key = _read_pem(tls.client_key_file, "PRIVATE KEY")
        certificate = _read_pem(tls.client_cert_file, "CERTIFICATE")
        try:
            # Without a password function OpenSSL would ask at the terminal.
            context.load_cert_chain(tls.client_cert_file, tls.client_key_file, password=lambda: b"")
        except (ssl.SSLError, ValueError) as error:
            raise _broken(
                tls.client_key_file, f"the unencrypted private key of {tls.client_cert_file}", error
            ) from error
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def _read_pem(path: Path, kind: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"a PEM file with a {kind}", error) from error
    if f"{kind}-----".encode() not in data or not data.isascii():
        raise ConfigError(
            f"{path} holds no PEM block '{kind}' ({len(data)} bytes)",
            f"text with '-----BEGIN {kind}-----'",
            "convert DER files with `openssl x509 -inform der` or `openssl pkey -inform der`; "
            "look whether key and certificate are swapped",
        )
    return data


def _unreadable(path: Path, expected: str, error: Exception) -> MissingFileError | ConfigError:
    kind = MissingFileError if isinstance(error, FileNotFoundError) else ConfigError
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return kind(f"{path} cannot be read: {reason}", expected, "correct the path or the file's permissions")


def _broken(path: Path, expected: str, error: Exception) -> ConfigError:
    return ConfigError(f"{path} cannot be used: {error}", expected, "make the files anew, or give the ones that pair")
