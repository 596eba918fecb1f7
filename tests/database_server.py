"""Real PostgreSQL and MariaDB servers on loopback, from Debian's packages, in a temporary folder.

Neither server runs as root; a test run by root starts it as nobody.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "mlmd", r"it's a \secret"


@dataclass(frozen=True)
class DatabaseServer:
    """A running server.

    Attributes:
        kind: `postgresql` or `mysql`, as the configuration has it.
        port: On 127.0.0.1.
        ask: Runs SQL as the administrator, in a database of that name, and gives what the server's own client prints.
    """

    kind: str
    port: int
    ask: Callable[[str, str], str]

    def options(self, database: str, **more: Any) -> dict[str, Any]:
        """The key `metadata` of a configuration; the password is in the variable EOSEG_TEST_PASSWORD."""
        return {
            "kind": self.kind,
            "host": "127.0.0.1",
            "port": self.port,
            "database": database,
            "user": USER,
            "password_env": "EOSEG_TEST_PASSWORD",
            **more,
        }


@contextmanager
def database_server(kind: str) -> Iterator[DatabaseServer]:
    """Starts a server, or skips with the reason where its programs are not installed."""
    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("EOSEG_TEST_PASSWORD", PASSWORD)
        with (_postgresql if kind == "postgresql" else _mariadb)(folder) as server:
            yield server


@contextmanager
def _postgresql(folder: Path) -> Iterator[DatabaseServer]:
    initdb, postgres, psql = (_program(name, "postgresql", "/usr/lib/postgresql/*/bin") for name in _POSTGRESQL)
    password = folder / "password"
    password.write_text(PASSWORD)
    data, port = folder / "data", _free_port()
    _run([initdb, "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"])

    def ask(database: str, sql: str) -> str:
        login = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-At", "-c", sql, database]
        return subprocess.run(command, env=login, capture_output=True, text=True, check=True).stdout

    listen = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]  # -F: no fsync
    with _served([postgres, "-D", data, *listen], lambda: ask("postgres", "select 1")):
        yield DatabaseServer("postgresql", port, ask)


@contextmanager
def _mariadb(folder: Path) -> Iterator[DatabaseServer]:
    install, server, client = (_program(name, "mariadb-server", "/usr/sbin") for name in _MARIADB)
    data, port, pipe = folder / "data", _free_port(), folder / "socket"
    _run([install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"])

    def ask(database: str, sql: str) -> str:
        command = [client, "--no-defaults", "-S", pipe, "-u", "root", "-N", "-e", sql, database]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    listen = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={pipe}", "--skip-name-resolve"]
    quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
    with _served([server, "--no-defaults", f"--datadir={data}", *listen, *quick], lambda: ask("mysql", "select 1")):
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        ask("mysql", f"create user {USER}@'127.0.0.1' identified by '{quoted}'; grant all on *.* to {USER}@'127.0.0.1'")
        yield DatabaseServer("mysql", port, ask)


_POSTGRESQL = ("initdb", "postgres", "psql")
_MARIADB = ("mariadb-install-db", "mariadbd", "mariadb")


def _program(name: str, package: str, beside: str) -> str:
    root = Path("/")
    found = shutil.which(name) or next((str(p) for p in root.glob(f"{beside}/{name}".lstrip("/"))), None)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package {package})")
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eoseg-db-") as folder:
        if os.geteuid() == 0:
            os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
        yield Path(folder)


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _as_no_root() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}


def _run(command: list[Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **_as_no_root())
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stderr or done.stdout}")


@contextmanager
def _served(command: list[Any], answers: Callable[[], str], seconds: float = 60) -> Iterator[None]:
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **_as_no_root()) as process,
    ):
        try:
            end = time.monotonic() + seconds
            while True:
                try:
                    answers()
                    break
                except subprocess.CalledProcessError:
                    if process.poll() is not None or time.monotonic() > end:
                        log.seek(0)
                        pytest.fail(f"{command[0]} did not start: {log.read().decode(errors='replace')[-2000:]}")
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
