import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError, MissingFileError
from serving.deploy.server_configs import (
    MonitoringOptions,
    TlsOptions,
    parse_monitoring,
    parse_tls,
    render_monitoring,
    render_tls,
    tls_from_files,
)

pem = st.text(st.characters(codec="ascii"), min_size=1, max_size=40)


@given(st.builds(MonitoringOptions, enable=st.booleans(), path=st.sampled_from(["/metrics", "/a/b"])))
def test_monitoring_comes_back_as_it_was_written(options: MonitoringOptions) -> None:
    assert parse_monitoring(render_monitoring(options)) == options


@given(st.builds(TlsOptions, server_key=pem, server_cert=pem, custom_ca=pem, client_verify=st.booleans()))
def test_tls_comes_back_as_it_was_written(options: TlsOptions) -> None:
    assert parse_tls(render_tls(options)) == options


def test_a_key_never_stands_in_an_error_or_a_repr() -> None:
    options = TlsOptions(server_key="SECRET", server_cert="cert")
    assert "SECRET" not in repr(options)
    with pytest.raises(ConfigError) as caught:
        parse_tls('server_key: "SECRET" client_verify: true')
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("text", ["server_key: 3", 'server_key: "k" server_cert: "c" client_verify: true', ""])
def test_what_cannot_encrypt_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_tls(text)


def test_a_key_does_not_stand_in_the_error_about_a_text_that_cannot_be_parsed() -> None:
    with pytest.raises(ConfigError, match="'here': line 2, column 13: cannot be parsed") as caught:
        parse_tls('server_cert: "c"\nserver_key: SECRET', "here")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate and key files of a key of their own."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *subject]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificates, is not installed")
def test_tls_files_are_held_to_each_other(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path, "server")
    other, other_key = self_signed(tmp_path, "other")
    one_way = tls_from_files(cert, key)
    assert (one_way.server_cert, one_way.server_key) == (cert.read_text(), key.read_text())
    assert not one_way.client_verify
    mutual = tls_from_files(cert, key, other)
    assert mutual.client_verify
    assert mutual.custom_ca == other.read_text()
    for wrong in ((cert, other_key), (key, cert), (cert, key, other_key)):
        with pytest.raises(ConfigError, match="certificate of that key") as caught:
            tls_from_files(*wrong)
        assert "PRIVATE" not in str(caught.value)
    encrypted = tmp_path / "encrypted.key"
    command = ["openssl", "rsa", "-aes256", "-passout", "pass:word", "-in", key, "-out", encrypted]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ConfigError, match="unencrypted key"):
        tls_from_files(cert, encrypted)
    with pytest.raises(MissingFileError, match=r"none\.pem does not exist"):
        tls_from_files(tmp_path / "none.pem", key)
