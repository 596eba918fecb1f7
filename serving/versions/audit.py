"""The audit log: a JSON line for each change, only ever appended, each line holding the digest of the one before.

The chain shows a line that was changed, removed or put in later; it does not keep anyone from cutting the log's end.
"""

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.versions.registry import STABLE, Registry
from serving.versions.registry_error import RegistryError

AUDIT_FILE = "audit.jsonl"


@dataclass(frozen=True)
class AuditEntry:
    """One change.

    Attributes:
        time: UTC, ISO 8601.
        who: User and machine.
        verb: `promote`, `canary`, ...
        version: That it is about; None where it is about none.
        reason: As given by `--reason`.
        outcome: `done`, `undone` or `refused`, with why after a colon.
        before, after: Policy, labels and canary; empty where they do not change.
        details: What else is worth keeping.
    """

    time: str
    who: str
    verb: str
    version: int | None
    reason: str
    outcome: str
    before: dict[str, Any]
    after: dict[str, Any]
    details: dict[str, Any]

    @property
    def is_done(self) -> bool:
        """Whether the change was made."""
        return self.outcome.partition(":")[0] == "done"


def append_entry(registry: Registry, entry: AuditEntry) -> None:
    """Appends a line and flushes it to the disk; call it with the lock held.

    Raises:
        RegistryError: If it cannot be written.
    """
    path = audit_path(registry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        line = json.dumps({**entry.__dict__, "previous": _digest(_last_line(before))}, ensure_ascii=False) + "\n"
        if before and not before.endswith(b"\n"):  # a power cut in the middle of a line: it stays, as what it is
            line = "\n" + line
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, line.encode()) < len(line.encode()):  # a full disk takes what it can
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be written: {error.strerror or error}",
            "an audit log that can be appended to",
            "correct its permissions, or make room",
        ) from error


def read_audit(registry: Registry) -> tuple[list[AuditEntry], list[str]]:
    """All changes, the oldest first, and what is wrong with the log: lines that are none, places where it was altered.

    Raises:
        RegistryError: If the file cannot be read.
    """
    path = audit_path(registry)
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error}", "an audit log", "correct its permissions") from error
    entries, flaws, last = [], [], b""
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            document = json.loads(line)
            previous = document.pop("previous")
            entries.append(AuditEntry(**document))
        except (ValueError, KeyError, TypeError, AttributeError):
            flaws.append(f"line {number} is no entry: it was cut off, or altered")
        else:
            if previous != _digest(last):
                flaws.append(f"line {number} does not follow the line before it: one of them was altered or removed")
        last = line
    return entries, flaws


def stable_history(entries: list[AuditEntry]) -> list[int]:
    """The versions that were stable, the present one last; those that were rolled back from are no longer in it."""
    stack: list[int] = []
    for entry in entries:
        before, after = (side.get("labels", {}).get(STABLE) for side in (entry.before, entry.after))
        if not entry.is_done or after is None or before == after:
            continue
        if before is not None and (not stack or stack[-1] != before):
            stack.append(before)  # set by hand, or by a server's flags, before there was a log
        if entry.verb == "rollback":
            while stack and stack[-1] != after:
                stack.pop()
            if stack:
                continue
        stack.append(after)
    return stack


def audit_path(registry: Registry) -> Path:
    """The log."""
    return registry.own / AUDIT_FILE


def _last_line(text: bytes) -> bytes:
    return text.rstrip(b"\n").rpartition(b"\n")[2]


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=8).hexdigest()
