"""All versions of a model with what is known of each, from the folder, the records and the servers, told apart.

The sources may disagree, and each is right about something: the folder about what can be served, ML Metadata about
where it comes from, `models.config` about what shall be served, the servers about what is. The list says which source
knows a version, and every contradiction in a sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from serving.versions.audit import AuditEntry, read_audit
from serving.versions.canary_state import Canary
from serving.versions.change import PENDING_FILE
from serving.versions.lineage import Lineage
from serving.versions.model_entry import ModelEntry, entry_of
from serving.versions.operations import config_before
from serving.versions.recorded import own_records
from serving.versions.registry import Registry, is_whole
from serving.versions.server_control import ServedState

HEADLINE = "mean_iou"


@dataclass(frozen=True)
class VersionRow:
    """One version.

    Attributes:
        version: Its number.
        state: `served` (models.config says so), `idle`, `broken` (no SavedModel in it), `retired`, or `missing`.
        labels: Its labels, the canary's with its share.
        servers: Address -> state there.
        figures: Of the evaluated split.
        pushed: UTC; empty where it is not known.
        data: Fingerprint of the files it was trained on.
        code: Revision that pushed it.
        size_bytes: Of its folder; 0 where there is none.
        records: Who knows it: `folder`, `metadata`.
    """

    version: int
    state: str
    labels: tuple[str, ...] = ()
    servers: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)
    pushed: str = ""
    data: str = ""
    code: str = ""
    size_bytes: int = 0
    records: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Listing:
    """All versions, the newest first; the canary; and what does not fit together."""

    rows: tuple[VersionRow, ...]
    canary: Canary | None
    notes: tuple[str, ...]


def list_versions(
    registry: Registry,
    lineages: Mapping[int, Lineage],
    pushed: Sequence[int] | None,
    states: Mapping[str, Mapping[int, ServedState]],
) -> Listing:
    """Every version that anyone knows.

    Args:
        registry: Of the model.
        lineages: Version -> where it comes from, as far as it is known.
        pushed: The versions that ML Metadata has; None where there are no metadata to ask.
        states: Of each server asked, by address.

    Raises:
        ConfigError, RegistryError: If `models.config` or a file of the registry cannot be read.
    """
    text, _, canary = config_before(registry)
    entry = entry_of(registry, text)
    entries, flaws = read_audit(registry)
    there = set(registry.versions)
    known = there | set(pushed or ()) | set(lineages) | set(entry.labels.values())
    rows = tuple(
        _row(registry, version, entry, canary, lineages.get(version), pushed, states, entries)
        for version in sorted(known, reverse=True)
    )
    notes = [f"audit log: {flaw}" for flaw in flaws]
    if (registry.own / PENDING_FILE).exists():
        notes.append("a change is at work, or was interrupted: the next one finishes or undoes it")
    for row in rows:
        notes += _notes(row, pushed, there, entry)
    return Listing(rows, canary, tuple(notes))


def _row(
    registry: Registry,
    version: int,
    entry: ModelEntry,
    canary: Canary | None,
    lineage: Lineage | None,
    pushed: Sequence[int] | None,
    states: Mapping[str, Mapping[int, ServedState]],
    entries: Sequence[AuditEntry],
) -> VersionRow:
    folder = registry.version_folder(version)
    is_there = folder.is_dir()
    own = own_records(folder)
    labels = [
        f"{label} {canary.percent:g} %" if label == "canary" and canary is not None else label
        for label, labelled in sorted(entry.labels.items())
        if labelled == version
    ]
    size, changed = _size_and_time(folder)
    return VersionRow(
        version=version,
        state=_state(registry, version, entry, entries),
        labels=tuple(labels),
        servers={
            address: f"{state.state}{f': {state.error}' if state.error else ''}"
            for address, known in states.items()
            if (state := known.get(version)) is not None
        },
        figures=own.figures or (dict(lineage.figures) if lineage is not None else {}),
        pushed=lineage.pushed if lineage is not None and lineage.pushed else changed,
        data=str(own.provenance.get("data_fingerprint") or (lineage.data_fingerprint if lineage else "")),
        code=own.code_revision or (lineage.code_revision if lineage is not None else ""),
        size_bytes=size,
        records=("folder",) * is_there + ("metadata",) * (pushed is not None and version in pushed),
    )


def _state(registry: Registry, version: int, entry: ModelEntry, entries: Sequence[AuditEntry]) -> str:
    folder = registry.version_folder(version)
    if not folder.is_dir():
        retired = any(item.verb == "retire" and item.version == version and item.is_done for item in entries)
        return "retired" if retired else "missing"
    if not is_whole(folder):
        return "broken"
    return "served" if version in entry.served(registry.versions) else "idle"


def _notes(row: VersionRow, pushed: Sequence[int] | None, there: set[int], entry: ModelEntry) -> list[str]:
    notes = []
    if pushed is not None and row.version in there and row.version not in pushed:
        notes.append(
            f"version {row.version} is in the folder, and ML Metadata does not know it: it was brought by hand"
        )
    if row.state == "missing" and row.version not in entry.labels.values():
        notes.append(f"version {row.version} was pushed, and its folder is gone; the registry did not retire it")
    for label, version in sorted(entry.labels.items()):
        if version == row.version and version not in there:
            notes.append(f"label {label} is version {version}'s, whose folder is gone: promote another version")
    if row.state == "broken":
        notes.append(f"version {row.version} has no saved_model.pb: no server can load it")
    for address, state in row.servers.items():
        if row.state == "served" and state != "AVAILABLE":
            notes.append(f"version {row.version} should be served, and is {state} at {address}")
        if row.state == "idle" and state == "AVAILABLE":
            notes.append(f"version {row.version} need not be served, and is AVAILABLE at {address}")
    return notes


def _size_and_time(folder: Path) -> tuple[int, str]:
    """Bytes of all files, and when the folder got its name."""
    if not folder.is_dir():
        return 0, ""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    moment = datetime.fromtimestamp(folder.stat().st_mtime, timezone.utc)
    return size, moment.strftime("%Y-%m-%dT%H:%M:%SZ")
