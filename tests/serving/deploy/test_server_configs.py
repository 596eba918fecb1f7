import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from serving.deploy.server_configs import (
    MonitoringOptions,
    TlsOptions,
    parse_monitoring,
    parse_tls,
    render_monitoring,
    render_tls,
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
