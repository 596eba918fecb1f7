"""Encrypted gRPC, with and without certificates of the clients."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the certificates")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from components.errors import ConfigError  # noqa: E402
from serving.client import ClientOptions, SegmentationClient  # noqa: E402
from serving.deploy.server_configs import TlsOptions, render_tls  # noqa: E402
from serving.embedded.server import EmbeddedServer  # noqa: E402
from serving.retry import RetryOptions  # noqa: E402
from serving.transport import CallError, Transport  # noqa: E402

ONCE = ClientOptions(retry=RetryOptions(attempts=1), timeout_seconds=5)


@dataclass
class Identity:
    key: Any
    certificate: Any

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def identity(name: str, issuer: Identity | None = None) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    return Identity(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


def ask(server: EmbeddedServer, credentials: Any) -> int:
    address = server.address.replace("127.0.0.1", "localhost")
    with SegmentationClient(address, options=ONCE, transport=Transport(address, credentials=credentials)) as client:
        return client.version


def test_tls_and_mutual_tls(model_base: Path, start: Callable[..., EmbeddedServer], tmp_path: Path) -> None:
    authority = identity("authority")
    own, peer = identity("server", authority), identity("client", authority)
    for verify in (False, True):
        config = tmp_path / "ssl.config"
        options = TlsOptions(
            server_key=own.key_pem.decode(),
            server_cert=own.pem.decode(),
            custom_ca=authority.pem.decode(),
            client_verify=verify,
        )
        config.write_text(render_tls(options))
        path = tmp_path / f"{verify}.sock"
        server = start(model_base, ssl_config_file=str(config), grpc_socket_path=str(path))
        known = grpc.ssl_channel_credentials(authority.pem, peer.key_pem, peer.pem)
        stranger = grpc.ssl_channel_credentials(authority.pem)
        assert ask(server, known) == 1
        if verify:
            with pytest.raises(CallError):
                ask(server, stranger)
        else:
            assert ask(server, stranger) == 1
        with pytest.raises(CallError):
            ask(server, None)
        with pytest.raises(CallError), SegmentationClient(f"unix:{path}", options=ONCE) as plain:  # locked, too
            assert plain.version
        server.stop()


def test_a_wrong_ssl_config_is_one_clear_error_before_anything_is_loaded(
    model_base: Path, start: Callable[..., EmbeddedServer], tmp_path: Path
) -> None:
    config = tmp_path / "ssl.config"
    config.write_text("server_key: oops")
    with pytest.raises(ConfigError, match=r"Invalid protobuf file: .*ssl\.config"):
        start(model_base, ssl_config_file=str(config))
