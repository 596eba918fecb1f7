"""Where ML Metadata records runs: a SQLite file of the working directory, or a database that a team shares."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from components.errors import ConfigError
from components.options import Options

DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}


class MetadataTls(Options):
    """An encrypted connection to MySQL or MariaDB."""

    ca: str
    """PEM file of the authorities that may have signed the server's certificate."""
    certificate: str | None = None
    """PEM file, for a server that verifies its clients."""
    key: str | None = None
    """Of `certificate`."""
    verify: bool = True
    """Whether the server's certificate is checked. With ml-metadata 1.16 no server passed that was tried, though other
    clients verify it (docs/metadata.md); without, whoever answers at the address is believed."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "MetadataTls":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give certificate and key together, or neither")
        return self


class MetadataOptions(Options):
    """ML Metadata's database.

    The password is never part of a configuration: it comes from an environment variable or a file.

    Raises:
        pydantic.ValidationError: On unknown keys, or keys that do not fit the kind.
    """

    kind: Literal["sqlite", "mysql", "postgresql"] = "sqlite"
    """`sqlite` is the file `metadata.sqlite` in the working directory, and has none of the other keys; `mysql` is also
    MariaDB."""
    host: str | None = Field(default=None, pattern=r"^[^\s'\\]+$")
    """Name or address of the server."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """None is 3306 of mysql and 5432 of postgresql."""
    database: str = Field(default="eoseg", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """Made where it is not there and the user may; small letters, digits and underscores, as MLMD does not quote it."""
    user: str | None = None
    """Whom to log in as; needed of mysql and postgresql."""
    password_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the password."""
    password_file: str | None = None
    """File that holds the password (a Docker or Kubernetes secret); its last line break does not count."""
    tls: MetadataTls | None = None
    """Of mysql: encrypts. MLMD's PostgreSQL client is built without TLS."""
    pipeline: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,63}$")
    """The pipeline's name in the database. Runs of one name share what they computed and the model they compare with,
    in whichever working directory they run (where that is lost between runs, say). None is the configuration's name and
    a mark of the working directory, so that no other run has it."""

    @model_validator(mode="before")
    @classmethod
    def _holds_no_password(cls, given: Any) -> Any:
        if isinstance(given, dict) and "password" in given:
            # Not the value: it would be printed.
            raise ValueError(
                "a password does not belong into a configuration, which is kept with every report; put it into an "
                "environment variable or a file, and name that as password_env or password_file"
            )
        return given

    @model_validator(mode="after")
    def _fits_the_kind(self) -> "MetadataOptions":
        if self.kind == "sqlite":
            # By value: a configuration that a report printed has all keys.
            defaults = {name: field.default for name, field in type(self).model_fields.items()}
            strange = [name for name in defaults if name != "kind" and getattr(self, name) != defaults[name]]
            if strange:
                raise ValueError(f"{', '.join(strange)}: sqlite has no such keys; remove them, or set kind")
            return self
        missing = [name for name in ("host", "user") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.kind} needs {' and '.join(missing)}")
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("give password_env or password_file, not both")
        if self.kind == "postgresql" and self.tls is not None:
            raise ValueError(
                "MLMD's PostgreSQL client is built without TLS; remove tls and go through a tunnel or a proxy on this "
                "machine that encrypts, or use mysql"
            )
        return self

    @property
    def resolved_port(self) -> int:
        """The port, or the kind's usual one."""
        return self.port or DEFAULT_PORTS[self.kind]

    @property
    def shown(self) -> str:
        """The database as people write it, without the password."""
        return f"{self.kind}://{self.user}@{self.host}:{self.resolved_port}/{self.database}"

    def read_password(self) -> str:
        """The password; empty where none is named.

        Raises:
            ConfigError: If the variable is not set, or the file cannot be read, or either is empty.
        """
        if self.password_env is not None:
            password, source = os.environ.get(self.password_env, ""), f"the environment variable {self.password_env}"
            problem = f"{source}, which metadata.password_env names, is not set or empty"
        elif self.password_file is not None:
            path = Path(self.password_file).expanduser()
            problem = f"{path}, which metadata.password_file names, is empty"
            try:
                password = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            except (OSError, UnicodeDecodeError) as error:
                password, problem = "", f"{path}, which metadata.password_file names, cannot be read ({error})"
        else:
            return ""
        if not password:
            raise ConfigError(problem, f"the password of {self.shown}", "set it, or correct the configuration")
        return password
