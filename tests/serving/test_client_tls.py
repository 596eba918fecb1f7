"""Encryption, certificates of the client, and tokens: what travels, and what is refused with a clear word."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

pytest.importorskip("cryptography.x509", reason="cryptography makes the certificates")
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from serving.channel import BearerToken, ChannelOptions, ClientTls, check_address
from serving.client import ClientOptions
from serving.retry import RetryOptions
from serving.transport import CallError, Transport
from tests.serving.both_clients import KINDS, make_client
from tests.serving.certificates import write_identity
from tests.serving.faulty_server import FaultyServer

PATCHES = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with key and certificate of an authority, of a server, of a client, and of another authority."""
    folder = tmp_path_factory.mktemp("pem")
    authority = write_identity(folder, "authority")
    for name in ("server", "client"):
        write_identity(folder, name, authority)
    write_identity(folder, "other")
    return folder


def server_credentials(pem: Path, mutual: bool) -> grpc.ServerCredentials:
    pair = ((pem / "server.key").read_bytes(), (pem / "server.crt").read_bytes())
    return grpc.ssl_server_credentials([pair], (pem / "authority.crt").read_bytes(), require_client_auth=mutual)


@pytest.fixture(scope="module")
def tls_server(pem: Path) -> Iterator[FaultyServer]:
    with FaultyServer(credentials=server_credentials(pem, mutual=False)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual_server(pem: Path) -> Iterator[FaultyServer]:
    with FaultyServer(credentials=server_credentials(pem, mutual=True)) as server:
        yield server


def options(channel: ChannelOptions, **retry: object) -> ClientOptions:
    return ClientOptions(channel=channel, timeout_seconds=10, retry=RetryOptions(**retry))


def own(pem: Path) -> ClientTls:
    return ClientTls(
        ca_file=pem / "authority.crt", client_key_file=pem / "client.key", client_cert_file=pem / "client.crt"
    )


def ask(kind: str, server: FaultyServer, channel: ChannelOptions, **retry: object) -> None:
    address = server.address.replace("127.0.0.1", "localhost")
    with make_client(kind, address, options=options(channel, **retry)) as client:
        np.testing.assert_array_equal(client.predict_scores(PATCHES), PATCHES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_with_a_trusted_certificate_is_asked(kind: str, tls_server: FaultyServer, pem: Path) -> None:
    ask(kind, tls_server, ChannelOptions(tls=ClientTls(ca_file=pem / "authority.crt")))


@pytest.mark.parametrize("kind", KINDS)
def test_mutual_tls(kind: str, mutual_server: FaultyServer, pem: Path) -> None:
    ask(kind, mutual_server, ChannelOptions(tls=own(pem)))
    with pytest.raises(CallError):
        ask(kind, mutual_server, ChannelOptions(tls=ClientTls(ca_file=pem / "authority.crt")), attempts=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_trusted_is_told_at_once(kind: str, tls_server: FaultyServer, pem: Path) -> None:
    for tls, server in (
        (ClientTls(ca_file=pem / "other.crt"), tls_server),
        (ClientTls(ca_file=pem / "authority.crt", server_name="elsewhere"), tls_server),
    ):
        with pytest.raises(CallError, match="answered UNAVAILABLE") as caught:
            ask(kind, server, ChannelOptions(tls=tls))
        assert not caught.value.is_temporary, "or it would be tried for ten seconds"
        assert "ca_file" in caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_tls_is_told_at_once(kind: str, pem: Path) -> None:
    with FaultyServer() as server, pytest.raises(CallError, match="answered UNAVAILABLE") as caught:
        ask(kind, server, ChannelOptions(tls=ClientTls(ca_file=pem / "authority.crt")))
    assert not caught.value.is_temporary
    assert "leave the client's TLS options out" in caught.value.remedy


def test_another_name_than_the_addresss_can_be_expected(tls_server: FaultyServer, pem: Path) -> None:
    with Transport(
        tls_server.address,
        ChannelOptions(tls=ClientTls(ca_file=pem / "authority.crt", server_name="localhost")),
    ) as transport:
        assert transport.is_healthy(10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_travels_as_a_bearer(kind: str, tls_server: FaultyServer, pem: Path, tmp_path: Path) -> None:
    tls = ClientTls(ca_file=pem / "authority.crt")
    ask(kind, tls_server, ChannelOptions(tls=tls, token="s3cret"))
    assert tls_server.metadata["authorization"] == "Bearer s3cret"
    file = tmp_path / "token"
    file.write_text("from-file\n")
    ask(kind, tls_server, ChannelOptions(tls=tls, token_file=file))
    assert tls_server.metadata["authorization"] == "Bearer from-file"
    ask(kind, tls_server, ChannelOptions(tls=tls))
    assert "authorization" not in tls_server.metadata


def test_a_token_does_not_travel_in_the_clear_unless_told_to() -> None:
    with pytest.raises(ValidationError, match="a token needs TLS") as caught:
        ChannelOptions(token="s3cret")
    assert "s3cret" not in str(ChannelOptions(token="s3cret", allow_token_without_tls=True))
    del caught
    with FaultyServer() as server:
        ask("blocking", server, ChannelOptions(token="s3cret", allow_token_without_tls=True))
        assert server.metadata["authorization"] == "Bearer s3cret"


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    token = BearerToken(ChannelOptions(token_file=file, allow_token_without_tls=True))
    assert token.metadata() == (("authorization", "Bearer one"),)
    file.write_text("another")
    assert token.metadata() == (("authorization", "Bearer another"),)
    file.unlink()
    assert token.metadata() == (("authorization", "Bearer another"),)  # caught while it is replaced


@pytest.mark.parametrize("text", ["", "two words", "line\nline", "tök"])
def test_what_is_no_token_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no token") as caught:
        BearerToken(ChannelOptions(token_file=file, allow_token_without_tls=True))
    assert not text or text not in str(caught.value)


def test_token_and_token_file_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="give one"):
        ChannelOptions(token="a", token_file=tmp_path / "b", allow_token_without_tls=True)
    with pytest.raises(MissingFileError, match="cannot be read"):
        BearerToken(ChannelOptions(token_file=tmp_path / "b", allow_token_without_tls=True))


def test_a_key_without_its_certificate_is_refused(pem: Path) -> None:
    with pytest.raises(ValidationError, match="only one is given"):
        ClientTls(client_key_file=pem / "client.key")


@pytest.mark.parametrize(
    ("files", "kind", "says"),
    [
        ({"ca_file": "nowhere.crt"}, MissingFileError, r"nowhere\.crt cannot be read: No such file"),
        ({"ca_file": "server.key"}, ConfigError, r"server\.key holds no PEM block 'CERTIFICATE'"),
        ({"ca_file": "broken.crt"}, ConfigError, r"broken\.crt cannot be used"),
        ({"client_key_file": "client.crt"}, ConfigError, r"client\.crt holds no PEM block 'PRIVATE KEY'"),
        ({"client_key_file": "server.key"}, ConfigError, r"server\.key cannot be used: .*MISMATCH"),
        ({"client_key_file": "locked.key"}, ConfigError, r"locked\.key cannot be used"),
        ({"client_cert_file": "broken.crt"}, ConfigError, r"the unencrypted private key of .*broken\.crt"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_is_sent(
    files: dict[str, str], kind: type[Exception], says: str, pem: Path
) -> None:
    (pem / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    write_identity(pem, "locked", password=b"secret")
    given = own(pem).model_copy(update={name: pem / file for name, file in files.items()})
    with pytest.raises(kind, match=says):
        Transport("localhost:8500", ChannelOptions(tls=given))


@pytest.mark.parametrize("address", ["localhost:8500", "10.0.0.1:1", "[::1]:8500", "unix:/run/s", "dns:///host:8500"])
def test_addresses_of_grpc_servers(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ["", "localhost", "http://localhost:8501", "localhost:8500/v1", ":8500", "unix:"])
def test_what_is_no_address_is_refused_with_what_one_looks_like(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a gRPC server") as caught:
        check_address(address)
    assert "localhost:8500" in caught.value.expected
