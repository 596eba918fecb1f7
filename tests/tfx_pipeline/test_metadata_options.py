"""The key `metadata`: what it takes, and where the password comes from."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.errors import ConfigError
from tfx_pipeline.metadata_options import MetadataOptions

DATABASE = {"kind": "postgresql", "host": "db", "user": "mlmd"}


def test_sqlite_is_the_default_and_has_no_further_keys() -> None:
    assert MetadataOptions().kind == "sqlite"
    assert MetadataOptions.model_validate(MetadataOptions().model_dump()) == MetadataOptions()
    with pytest.raises(ValidationError, match="host: sqlite has no such keys"):
        MetadataOptions.model_validate({"host": "db"})


def test_a_password_in_the_configuration_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="password_env or password_file") as refused:
        MetadataOptions.model_validate({**DATABASE, "password": "hunter2"})
    reasons = [error["msg"] for error in refused.value.errors()]
    assert "hunter2" not in " ".join(reasons)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"kind": "mysql", "user": "me"}, "needs host"),
        ({"kind": "mysql", "host": "db"}, "needs user"),
        ({**DATABASE, "database": "My-Data"}, "pattern"),
        ({**DATABASE, "password_env": "A", "password_file": "b"}, "not both"),
        ({**DATABASE, "tls": {"ca": "ca.pem"}}, "without TLS"),
        ({**DATABASE, "kind": "mysql", "tls": {"ca": "ca.pem", "key": "k.pem"}}, "together"),
        ({**DATABASE, "host": "db password=x"}, "pattern"),
    ],
)
def test_keys_that_cannot_work_are_refused(keys: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MetadataOptions.model_validate(keys)


def test_the_password_comes_from_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", " with blanks ")
    assert MetadataOptions(**DATABASE, password_env="DB_PASSWORD").read_password() == " with blanks "
    file = tmp_path / "secret"
    file.write_text("of a file\n")
    assert MetadataOptions(**DATABASE, password_file=str(file)).read_password() == "of a file"
    assert MetadataOptions(**DATABASE).read_password() == ""


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"password_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE, which metadata.password_env names, is not set"),
        ({"password_file": "/nowhere/secret"}, "/nowhere/secret, which metadata.password_file names, cannot be read"),
    ],
)
def test_a_missing_password_names_where_it_was_looked_for(keys: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        MetadataOptions.model_validate({**DATABASE, **keys}).read_password()
