"""Opens ML Metadata: the file of a working directory, or a team's database, and in it the runs of one pipeline.

In a file, a pipeline is recorded under its configuration's name. A database may have pipelines of other teams, and of
other working directories under the same name: TFX would reuse their results and compare with their models. So there a
pipeline is recorded under its name and a mark that the working directory keeps, and each run's name ends with the mark.
"""

import os
import random
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.errors import EosegError, MissingFileError
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import Places
from tfx_pipeline.metadata_options import MetadataOptions
from tfx_pipeline.postgresql_strings import allow_backslashes

PIPELINE_CONTEXT = "pipeline"
MARK_FILE = "pipeline_mark"
_LONGEST_NAME = 63
"""Characters of a pipeline's name that TFX takes."""
_ATTEMPTS = 8
"""Two first runs at once both make the tables, and one of them fails."""
_RETRIES = 30
"""Of one call that lost against another run's; MLMD's own 5 are few for several runs."""
_REACH_SECONDS = 10.0


_RACE = r"already exists|duplicate key|concurrent|aborted|deadlock|could not serialize"
"""What MLMD says where another run makes the same tables at the same time."""


class MetadataError(EosegError, RuntimeError):
    """ML Metadata that cannot be opened."""


class _Refused(Exception):
    """What MLMD said when it could not connect: its exception, then what its C++ part logged."""

    def __init__(self, messages: str) -> None:
        super().__init__(messages)
        self.messages = messages


@dataclass(frozen=True)
class MetadataPlace:
    """Where the runs of one pipeline are recorded.

    Attributes:
        options: Which database.
        sqlite: The file, where the kind is sqlite.
        pipeline: The pipeline's name in it.
        mark: Ends the names of this working directory's runs; empty in a file, and before the first run.
    """

    options: MetadataOptions
    sqlite: Path
    pipeline: str
    mark: str = ""

    @property
    def shown(self) -> str:
        """For messages."""
        return str(self.sqlite) if self.options.kind == "sqlite" else self.options.shown

    @property
    def is_there(self) -> bool:
        """Whether a run of this working directory can have been recorded; asks no server."""
        return self.sqlite.is_file() if self.options.kind == "sqlite" else bool(self.mark)

    def connection(self) -> metadata_store_pb2.ConnectionConfig:
        """What TFX and MLMD connect with, to write.

        Raises:
            ConfigError: If the password is missing.
        """
        if self.options.kind == "sqlite":
            connection = metadata_store_pb2.ConnectionConfig()
            connection.sqlite.filename_uri = str(self.sqlite)
            connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        else:
            connection = database_connection(self.options)
        connection.retry_options.max_num_retries = _RETRIES
        return connection


def metadata_of(config: Config, places: Places) -> MetadataPlace:
    """Where a configuration's runs are recorded; nothing is opened."""
    options = config.metadata
    if options.kind == "sqlite":
        return MetadataPlace(options, places.metadata, config.name)
    file = places.workdir / MARK_FILE
    mark = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    own = f"{config.name[: _LONGEST_NAME - 9]}.{mark}"
    return MetadataPlace(options, places.metadata, options.pipeline or own, mark)


def prepare_metadata(config: Config, places: Places) -> MetadataPlace:
    """Makes ready what a run writes to: the working directory's mark, and the tables. The working directory is there.

    Raises:
        ConfigError: If the password is missing.
        MetadataError: If the database cannot be opened; the message says why.
    """
    file = places.workdir / MARK_FILE
    if config.metadata.kind != "sqlite" and not file.is_file():
        part = file.with_name(f".{MARK_FILE}.{os.getpid()}.part")
        part.write_text(secrets.token_hex(4) + "\n", encoding="utf-8")
        part.replace(file)
    place = metadata_of(config, places)
    connection = place.connection()
    if config.metadata.kind != "sqlite":
        _reach(config.metadata)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _connect(connection)
            break
        except _Refused as refused:
            if attempt == _ATTEMPTS or not re.search(_RACE, refused.messages, re.IGNORECASE):
                raise _explained(place, refused.messages) from refused
            time.sleep(attempt * 0.1 * (1 + random.random()))
    return place


def open_metadata(metadata: MetadataPlace | Path) -> metadata_store.MetadataStore:
    """Opens recorded runs, to read.

    Args:
        metadata: Where; a path is a SQLite file.

    Raises:
        MissingFileError: If no run was recorded there.
        ConfigError: If the password is missing.
        MetadataError: If the database cannot be opened.
    """
    place = MetadataPlace(MetadataOptions(), metadata, "") if isinstance(metadata, Path) else metadata
    if not place.is_there:
        raise MissingFileError(
            f"{place.shown} does not exist" if place.options.kind == "sqlite" else f"{place.shown} records no run",
            "the metadata of a run",
            "give the --workdir of a run, or run `eoseg run` first",
        )
    connection = place.connection()
    if place.options.kind == "sqlite":
        connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    elif place.options.kind == "mysql":
        connection.mysql.skip_db_creation = True
    else:
        connection.postgresql.skip_db_creation = True
    if place.options.kind != "sqlite":
        _reach(place.options)
    try:
        return _connect(connection)
    except _Refused as refused:
        raise _explained(place, refused.messages) from refused


def pipeline_context(
    store: metadata_store.MetadataStore, metadata: MetadataPlace | Path
) -> metadata_store_pb2.Context | None:
    """The context that all runs and artifacts of the pipeline are in; None for a bare file, or before a first run."""
    if isinstance(metadata, Path):
        return None
    return store.get_context_by_type_and_name(PIPELINE_CONTEXT, metadata.pipeline)


def database_connection(options: MetadataOptions) -> metadata_store_pb2.ConnectionConfig:
    """MLMD's form of the options of a database; it holds the password.

    Raises:
        ConfigError: If the password is missing.
    """
    connection = metadata_store_pb2.ConnectionConfig()
    password = options.read_password()
    if options.kind == "postgresql":
        allow_backslashes()
        to = connection.postgresql
        to.host, to.port, to.dbname = options.host or "", str(options.resolved_port), options.database
        # MLMD joins these to libpq's `key=value ...` as they are.
        to.user = _quoted(options.user or "")
        if password:
            to.password = _quoted(password)
        return connection
    mysql = connection.mysql
    mysql.host, mysql.port, mysql.database = options.host or "", options.resolved_port, options.database
    mysql.user, mysql.password = options.user or "", password
    if options.tls is not None:
        tls = mysql.ssl_options
        tls.ca, tls.cert, tls.key = options.tls.ca, options.tls.certificate or "", options.tls.key or ""
        tls.verify_server_cert = options.tls.verify
    return connection


def without_passwords(text: str) -> str:
    """A text with the passwords of connections taken out, as protocol buffers print them: TFX logs its connection."""
    return re.sub(r'(password: )"(?:[^"\\]|\\.)*"', r'\1"***"', text)


def _connect(connection: metadata_store_pb2.ConnectionConfig) -> metadata_store.MetadataStore:
    said: list[str] = []
    try:
        with _library_messages(said):
            return metadata_store.MetadataStore(connection)
    except (RuntimeError, errors.StatusError) as error:
        raise _Refused(f"{error}\n{''.join(said)}") from error


def _reach(options: MetadataOptions) -> None:
    try:
        socket.create_connection((options.host, options.resolved_port), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise MetadataError(
            f"no server can be reached at {options.host}:{options.resolved_port} ({error.strerror or error})",
            f"the {options.kind} server of the key `metadata`",
            "start it, or correct metadata.host and metadata.port",
        ) from error


def _explained(place: MetadataPlace, messages: str) -> MetadataError:
    options = place.options
    version = re.search(r"(?:MLMD|database|schema)[^\n]*version[^\n]*", messages, re.IGNORECASE)
    if version and re.search(r"migrat|newer|older|greater|incompatible|does not match", messages, re.IGNORECASE):
        return MetadataError(
            f"{place.shown} has tables of another version of ML Metadata: {version[0].strip()}",
            f"those of ml-metadata {_library_version()}",
            "use another database, or see docs/metadata.md on migrating this one, which all its users must agree on",
        )
    reason = _reason(messages)
    if options.kind == "mysql" and "mysql_real_connect" in messages:
        reason = "the server refuses the connection, and MLMD does not say why"
        remedy = (
            f"try `mysql -h {options.host} -P {options.resolved_port} -u {options.user} -p`: user, password, TLS; the "
            "user must authenticate by mysql_native_password"
        )
        if options.tls is not None and options.tls.verify:
            remedy += ". MLMD's client refuses certificates that others verify: see metadata.tls.verify"
    elif options.kind == "sqlite":
        remedy = "look whether the file can be read; a damaged one can be moved away, then everything runs anew"
    else:
        remedy = "correct the key `metadata`, its password, or the rights of the user"
    return MetadataError(f"{place.shown} cannot be opened: {reason}", "ML Metadata's database", remedy)


def _reason(messages: str) -> str:
    """The first error that MLMD's C++ part logged, which says more than its exception."""
    logged = re.search(r"^E\d{4} [^\]]*\] (?:PostgreSQL error: )?(.*)", messages, re.MULTILINE)
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return logged[1].strip() if logged else (lines[0] if lines else "no reason given")


def _library_version() -> str:
    from importlib.metadata import version

    return version("ml-metadata")


def _quoted(value: str) -> str:
    """A value of libpq's connection string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def _library_messages(said: list[str]) -> Iterator[None]:
    """Collects what C++ writes to standard error meanwhile, which is no message for the terminal."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            said.append(file.read().decode("utf-8", "replace"))
