"""The audit log is only ever appended to, and shows where it was altered."""

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.versions.audit import AuditEntry, append_entry, audit_path, read_audit, stable_history
from serving.versions.registry import Registry, registry_of
from serving.versions.registry_error import RegistryError


def entry(number: int, verb: str = "promote", before: int | None = None, after: int | None = None) -> AuditEntry:
    sides = [{"labels": {} if side is None else {"stable": side}} for side in (before, after)]
    return AuditEntry("2026-01-01T00:00:00Z", "me@here", verb, number, f"r\u00e9ason {number}\n", "done", *sides, {})


@pytest.fixture
def log(tmp_path: Path) -> Registry:
    (tmp_path / "eoseg").mkdir()
    registry = registry_of(tmp_path / "eoseg")
    for number in range(5):
        before = audit_path(registry).read_bytes() if number else b""
        append_entry(registry, entry(number))
        assert audit_path(registry).read_bytes().startswith(before)
        assert audit_path(registry).read_bytes().count(b"\n") == number + 1
    return registry


def test_what_was_written_is_read(log: Registry) -> None:
    entries, flaws = read_audit(log)
    assert entries == [entry(number) for number in range(5)]
    assert flaws == []


@pytest.mark.parametrize("line", range(4))
@pytest.mark.parametrize("how", ["altered", "removed", "doubled", "swapped"])
def test_whoever_alters_a_line_is_found_out(line: int, how: str, log: Registry) -> None:
    lines = audit_path(log).read_bytes().splitlines()
    if how == "altered":
        lines[line] = lines[line].replace(b"me@here", b"you@there")
    elif how == "removed":
        del lines[line]
    elif how == "doubled":
        lines.insert(line, lines[line])
    else:
        lines[line], lines[line + 1] = lines[line + 1], lines[line]
    audit_path(log).write_bytes(b"\n".join(lines) + b"\n")
    _, flaws = read_audit(log)
    assert flaws


def test_a_line_that_a_power_cut_left_unfinished_costs_no_other_line(log: Registry) -> None:
    with audit_path(log).open("ab") as file:
        file.write(b'{"time": "2026-')
    append_entry(log, entry(9))
    entries, flaws = read_audit(log)
    assert [item.version for item in entries] == [0, 1, 2, 3, 4, 9]
    assert flaws == ["line 6 is no entry: it was cut off, or altered"]


def test_every_line_is_json_with_who_when_and_why(log: Registry) -> None:
    for line in audit_path(log).read_text(encoding="utf-8").splitlines():
        assert {"who", "time", "reason", "before", "after", "outcome"} <= json.loads(line).keys()


def test_lines_of_two_threads_do_not_mix(log: Registry) -> None:
    from serving.versions.lock import registry_lock

    def write(start: int) -> None:
        for number in range(start, start + 10):
            with registry_lock(log, "test", 60):
                append_entry(log, entry(number))

    threads = [threading.Thread(target=write, args=(start,)) for start in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries, flaws = read_audit(log)
    assert len(entries) == 25
    assert flaws == []


@settings(max_examples=200)
@given(moves=st.lists(st.one_of(st.integers(1, 5), st.just(0)), max_size=12))
def test_the_history_is_the_stack_of_promotions_and_roll_backs(moves: list[int]) -> None:
    """0 rolls back where there is something to roll back to; a number is promoted."""
    stack: list[int] = []
    entries = []
    for move in moves:
        before = stack[-1] if stack else None
        if move == 0:
            if len(stack) < 2 or stack[-2] == stack[-1]:
                continue
            to = stack[-2]
            stack.pop()
            entries.append(entry(to, "rollback", before, to))
        elif move != before:
            stack.append(move)
            entries.append(entry(move, "promote", before, move))
    assert stable_history(entries) == stack


def test_a_disk_that_takes_half_a_line_leaves_none(log: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    before = audit_path(log).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:30]))
    with pytest.raises(RegistryError, match="No space left"):
        append_entry(log, entry(9))
    assert audit_path(log).read_bytes() == before
