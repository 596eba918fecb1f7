"""One change at a time: a lock of the operating system's, which dies with the process that holds it."""

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    path = registry.own / LOCK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be opened: {error.strerror or error}",
            "a model folder that this user can write to",
            "correct its permissions, or run as the user who publishes",
        ) from error
    with file:
        deadline = time.monotonic() + wait_seconds
        while not _taken(file):
            if time.monotonic() >= deadline:
                raise _held(registry, file)
            time.sleep(_LOOK_SECONDS)
        holder = {"who": who(), "pid": os.getpid(), "verb": verb, "since": now()}
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(registry: Registry, file: IO[str]) -> RegistryError:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        by = f"{holder['who']} (process {holder['pid']}) with `{holder['verb']}` since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # it has the lock and has not written its name yet
        by = "another process"
    return RegistryError(
        f"the versions in {registry.folder} are being changed by {by}",
        "one change at a time",
        "wait for it (--wait SECONDS), or end that process: its lock goes with it",
    )
