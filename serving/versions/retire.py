"""Old versions go: moved aside by one rename, so that no server sees half of one, and deleted from there."""

import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from serving.versions.audit import read_audit
from serving.versions.canary_state import Canary
from serving.versions.change import Say, ServerOptions, finish_interrupted
from serving.versions.lock import registry_lock
from serving.versions.model_entry import ModelEntry, entry_of
from serving.versions.operations import config_before, log_change
from serving.versions.registry import Registry, is_whole
from serving.versions.registry_error import RegistryError
from serving.versions.server_control import ServerControl

ASIDE = "retired"


def retirable(
    there: Sequence[int],
    entry: ModelEntry,
    canary: Canary | None,
    serving: set[int],
    keep: int,
    broken: Collection[int] = (),
) -> list[int]:
    """The versions that may go, ascending: all but the newest `keep`, labelled, configured and serving ones.

    Args:
        there: All versions.
        entry: What `models.config` says.
        canary: On trial.
        serving: Versions that a server has loaded.
        keep: How many of the newest whole ones stay. Newer broken ones stay, too: one that is being copied in is
            broken until it is there.
        broken: Those that hold no SavedModel: where one is the newest, servers serve the one before.
    """
    whole = sorted(set(there) - set(broken))
    held = set(entry.labels.values()) | entry.served(list(there)) | entry.served(whole) | serving
    if canary is not None:
        held.add(canary.version)
    newest = whole[max(0, len(whole) - keep) :]
    return [version for version in sorted(there) if version not in held and not (newest and version >= newest[0])]


def retire(
    registry: Registry,
    servers: ServerOptions,
    *,
    keep: int | None = None,
    versions: Sequence[int] = (),
    reason: str = "",
    wait_seconds: float = 0.0,
    dry_run: bool = False,
    say: Say = lambda _: None,
) -> list[int]:
    """Removes versions that nobody needs.

    Args:
        registry: Of the model.
        servers: Are asked what they have loaded.
        keep: Keep the newest so many, and whatever is labelled or served; None with `versions`.
        versions: Exactly these, in place of `keep`.
        reason: For the audit log.
        wait_seconds: For another change that is at work.
        dry_run: Only say which would go.
        say: Told of each version.

    Returns:
        The versions that went.

    Raises:
        RegistryError: If one that is named is labelled, served or not there; then none goes.
        CallError: If a server does not answer.
    """
    if (keep is None) == (not versions):
        raise RegistryError("retire needs either --keep or versions", "one of both", "give --keep N, or versions")
    if keep is not None and keep < 1:
        raise RegistryError(f"--keep {keep}", "1 or more", "keep at least one version")
    with registry_lock(registry, "versions retire", wait_seconds):
        finish_interrupted(registry, say, wait_seconds)
        text, _, canary = config_before(registry)
        entry = entry_of(registry, text)
        serving: set[int] = set()
        for address in servers.addresses:
            with ServerControl(address, registry.name, servers.channel) as control:
                serving |= {version for version, state in control.states().items() if state.state != "END"}
        if not dry_run:
            _empty(registry)  # of a retirement that was killed
        there = registry.versions
        broken = [version for version in there if not is_whole(registry.version_folder(version))]
        going = retirable(there, entry, canary, serving, keep if keep is not None else 0, broken)
        if versions:
            for version in versions:
                registry_has = version in registry.versions
                if version not in going:
                    why = "is labelled, configured or served" if registry_has else "is not there"
                    problem = f"version {version} of {registry.folder} {why}"
                    log_change(registry, "retire", version, reason, f"refused: {problem}", {})
                    raise RegistryError(
                        problem, f"versions that nobody needs: {', '.join(map(str, going)) or 'none'}", "name others"
                    )
            going = sorted(set(versions))
        for version in going:
            if not dry_run:
                aside = _move_aside(registry, version)
                try:
                    log_change(registry, "retire", version, reason, "done", {"aside": aside.name})
                except RegistryError:  # a full disk, perhaps, and this is what makes room
                    _clear(aside)
                    log_change(registry, "retire", version, reason, "done", {"aside": aside.name})
            say(f"version {version} {'would be' if dry_run else 'is'} retired")
        if not dry_run:
            _empty(registry)
    return going


def _move_aside(registry: Registry, version: int) -> Path:
    """Its folder among the retired ones."""
    aside = registry.own / ASIDE / f"{version}-{time.time_ns()}"
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        registry.version_folder(version).rename(aside)
    except OSError as error:
        raise RegistryError(
            f"version {version} cannot be moved to {aside}: {error.strerror or error}",
            "a model folder that this user can write to",
            "correct its permissions",
        ) from error
    return aside


def _clear(aside: Path) -> None:
    """Deletes all of a retired version but its folder, whose name the log must have before that goes."""
    for child in aside.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            with suppress(OSError):
                child.unlink()


def _empty(registry: Registry) -> None:
    """Deletes what was moved aside; of a retirement that was killed, the log is completed."""
    folder = registry.own / ASIDE
    asides = sorted(folder.iterdir()) if folder.is_dir() else []
    if not asides:
        return
    logged = {entry.details.get("aside") for entry in read_audit(registry)[0]}
    for aside in asides:
        if aside.name not in logged:
            version = int(aside.name.partition("-")[0])
            _clear(aside)
            log_change(registry, "retire", version, "", "done: finished after an interruption", {"aside": aside.name})
        shutil.rmtree(aside, ignore_errors=True)  # what cannot be deleted now is tried again by the next retirement
