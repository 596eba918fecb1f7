"""One change at a time: locks of the operating system's, which die with the process that holds them.

Two of them: the model's own, and that of `models.config`, which several models may share. A change reads that file,
tells the servers all of it, and writes it again, over minutes where a version loads slowly: another model's change in
between would be lost.
"""

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from serving.versions.canary_state import now
from serving.versions.registry import Registry
from serving.versions.registry_error import RegistryError

LOCK_FILE = "lock"
_LOOK_SECONDS = 0.1


def who() -> str:
    """The user and the machine, as the audit log names them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


@contextmanager
def registry_lock(registry: Registry, verb: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Keeps every other change of this model's versions out for the block.

    Args:
        registry: The model's.
        verb: What is being done, for the message that others get.
        wait_seconds: How long to wait for one that is at work.

    Raises:
        RegistryError: If another process holds it, naming who, or the folder cannot be written to.
    """
    with _locked(registry.own / LOCK_FILE, f"the versions in {registry.folder} are", verb, wait_seconds):
        yield


@contextmanager
def config_lock(registry: Registry, verb: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Keeps every other change of `models.config` out for the block; take it after the model's own, never before.

    Args, Raises: as `registry_lock`.
    """
    file = registry.config_file
    place = file.with_name(f".{file.name}.{LOCK_FILE}")
    with _locked(place, f"{file} is", f"{verb} of {registry.name}", wait_seconds):
        yield


@contextmanager
def _locked(path: Path, what: str, verb: str, wait_seconds: float) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be opened: {error.strerror or error}",
            "a folder that this user can write to",
            "correct its permissions, or run as the user who publishes",
        ) from error
    with file:
        deadline = time.monotonic() + wait_seconds
        while not _taken(file, path):
            if time.monotonic() >= deadline:
                raise _held(what, file)
            time.sleep(_LOOK_SECONDS)
        holder = {"who": who(), "pid": os.getpid(), "verb": verb, "since": now()}
        with suppress(OSError):  # on a full disk the name is missing, and the lock locks all the same
            file.truncate(0)
            file.write(json.dumps(holder).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                file.truncate(0)


def _taken(file: IO[bytes], path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network file system whose server knows no locks
        raise RegistryError(
            f"{path} cannot be locked: {error.strerror or error}",
            "a file system that knows flock",
            "mount it with locks, or change versions on the machine whose disk it is",
        ) from error
    return True


def _held(what: str, file: IO[bytes]) -> RegistryError:
    file.seek(0)
    try:
        holder = json.loads(file.read(4096))
        by = f"{holder['who']} (process {holder['pid']}) with `{holder['verb']}` since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # it has the lock and has not written its name yet
        by = "another process"
    return RegistryError(
        f"{what} being changed by {by}",
        "one change at a time",
        "wait for it (--wait SECONDS), or end that process: its lock goes with it",
    )
