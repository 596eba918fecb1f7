"""A change of what is served, made in the order that never points a label at a version that is not loaded.

    load     the versions of the new labels join those that are served; wait until every server has them AVAILABLE
    label    the labels move; from here on the change counts as made
    drop     versions that no label names any more are let go

Before each step `models.config` is replaced as a whole, then the servers are told. If anything fails before the labels
have moved, file and servers get back what they had. What a process that was killed left behind is finished or undone,
by the same rule, by the next change: `pending.json` says what was intended.

TensorFlow Serving refuses a label of a version that is not AVAILABLE, and with it the whole new config
(`ServerCore::UpdateModelVersionLabelMap`), hence the order.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pydantic import Field, ValidationError

from components.errors import EosegError
from components.options import Options
from serving.channel import ChannelOptions
from serving.versions.audit import AuditEntry, append_entry
from serving.versions.canary_state import Canary, now, read_canary, write_canary
from serving.versions.lock import config_lock, who
from serving.versions.model_entry import (
    ModelEntry,
    config_as_before,
    config_with,
    entry_of,
    read_config,
    specific,
)
from serving.versions.moves import Move
from serving.versions.registry import Registry, write_whole
from serving.versions.registry_error import RegistryError
from serving.versions.server_control import ServedState, ServerControl

PENDING_FILE = "pending.json"
Say = Callable[[str], None]


class ServerOptions(Options):
    """The servers to tell."""

    addresses: tuple[str, ...] = ()
    """`host:port` of each gRPC port; none changes the file alone."""
    channel: ChannelOptions = ChannelOptions()
    load_seconds: float = Field(default=300.0, gt=0)
    """How long a version may take to load."""


class Pending(Options):
    """A change that was begun."""

    verb: str
    version: int | None
    reason: str
    who: str
    before_text: str | None
    """Of `models.config`; None where there was none."""
    before_canary: Canary | None
    after_labels: dict[str, int]
    after_text: str
    after_canary: Canary | None


def apply_move(registry: Registry, move: Move, servers: ServerOptions, reason: str, say: Say = lambda _: None) -> None:
    """Makes a change; call it with both locks held, after `finish_interrupted`.

    Args:
        registry: Of the model.
        move: Labels and canary as they shall be.
        servers: To tell.
        reason: For the audit log.
        say: Told of every step.

    Raises:
        RegistryError: If it cannot be made; then everything is as before.
        CallError: If a server does not answer; then, too.
        ConfigError: If `models.config` cannot be read.
    """
    text, canary = read_config(registry), read_canary(registry)
    entry = entry_of(registry, text)
    final = ModelEntry(policy=specific(set(move.labels.values())), labels=move.labels)
    if entry == final and canary == move.canary and text is not None and not servers.addresses:
        say("nothing to change")
        return
    pending = Pending(
        verb=move.verb,
        version=move.version,
        reason=reason,
        who=who(),
        before_text=text,
        before_canary=canary,
        after_labels=move.labels,
        after_text=config_with(registry, text, final),
        after_canary=move.canary,
    )
    with ExitStack() as stack:
        controls = [
            stack.enter_context(ServerControl(address, registry.name, servers.channel)) for address in servers.addresses
        ]
        try:
            states = [control.states() for control in controls]  # all must answer, before anything is changed
        except EosegError as error:
            _log(registry, pending, f"refused: {error.problem}", servers.addresses)
            raise
        write_whole(registry.own / PENDING_FILE, pending.model_dump_json(indent=1))
        try:
            _load_and_label(registry, pending, entry, controls, states, servers.load_seconds, say)
        except BaseException as error:
            _undo(registry, pending, entry, controls, states)
            problem = error.problem if isinstance(error, EosegError) else type(error).__name__
            _log(registry, pending, f"undone: {problem}", servers.addresses)
            (registry.own / PENDING_FILE).unlink()
            raise
        try:
            _finish(registry, pending, pending.after_text)
            _log(registry, pending, "done", servers.addresses)
            (registry.own / PENDING_FILE).unlink()
        except EosegError as error:
            raise RegistryError(
                f"the change is made, and servers and clients follow it, but it is not written down whole: "
                f"{error.problem}",
                error.expected,
                f"{error.remedy}; the next change writes the rest",
            ) from error
        for control in controls:
            try:
                control.reload(pending.after_text)
            except EosegError as error:  # the change is made: the server only keeps more than it needs
                say(f"{control.address} serves more versions than it needs: {error}")


def finish_interrupted(registry: Registry, say: Say = lambda _: None, wait_seconds: float = 0.0) -> None:
    """Finishes or undoes what a process that was killed left; call it with the model's lock held, the file's free.

    Servers hear of it with the next change: until then they serve what they need, and perhaps one version more.

    Raises:
        RegistryError: If the file that says what was intended cannot be read, or another model's change is at work.
    """
    path = registry.own / PENDING_FILE
    if not path.exists():
        return
    try:
        pending = Pending.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        raise RegistryError(
            f"{path} cannot be read: {error}", "what an interrupted change intended", "look at models.config, then "
            "delete this file"
        ) from error  # fmt: skip
    with config_lock(registry, f"versions {pending.verb}", wait_seconds):
        text = read_config(registry)
        if entry_of(registry, text).labels == pending.after_labels:
            # Not the text as it was meant: someone may have changed another model's entry since.
            _finish(registry, pending, config_with(registry, text, entry_of(registry, pending.after_text)))
            outcome = "done: finished after an interruption"
        else:
            _restore(registry, pending)
            outcome = "undone: it was interrupted"
        _log(registry, pending, outcome, ())
        path.unlink()
    say(f"`{pending.verb}` by {pending.who} was interrupted; {outcome}")


def _load_and_label(
    registry: Registry,
    pending: Pending,
    entry: ModelEntry,
    controls: Sequence[ServerControl],
    states: Sequence[dict[int, ServedState]],
    load_seconds: float,
    say: Say,
) -> None:
    wanted = set(pending.after_labels.values())
    found = registry.versions
    kept = (entry.served(found) | set(entry.labels.values())) & set(found)
    for before in states if entry.policy.kind != "specific" else ():
        # With "latest", the newest may be broken and the one before serve in its place: it must not go yet.
        kept |= {version for version, state in before.items() if state.state == "AVAILABLE"} & set(found)
    both = specific(kept | wanted)
    labels = {label: version for label, version in entry.labels.items() if version in found}
    if controls:
        loading = config_with(registry, pending.before_text, ModelEntry(policy=both, labels=labels))
        write_whole(registry.config_file, loading)
        for control, before in zip(controls, states, strict=True):
            # A server that has just come up may not have every labelled version yet, and would refuse its label.
            known = {label: v for label, v in labels.items() if v in before and before[v].state == "AVAILABLE"}
            control.reload(config_with(registry, pending.before_text, ModelEntry(policy=both, labels=known)))
        for control, before in zip(controls, states, strict=True):
            control.wait_available(wanted, load_seconds, before)
            say(f"{control.address}: {', '.join(f'version {version}' for version in sorted(wanted))} AVAILABLE")
    if pending.before_canary is not None and pending.before_canary != pending.after_canary:
        write_canary(registry, None)  # before its label goes: clients ask for it while the share stands there
    labelled = config_with(registry, pending.before_text, ModelEntry(policy=both, labels=pending.after_labels))
    for control in controls:
        control.reload(labelled)
    write_whole(registry.config_file, labelled if controls else pending.after_text)
    say(f"{registry.config_file}: " + ", ".join(f"{k} = {v}" for k, v in sorted(pending.after_labels.items())))


def _finish(registry: Registry, pending: Pending, text: str) -> None:
    write_whole(registry.config_file, text)
    write_canary(registry, pending.after_canary)


def _restore(registry: Registry, pending: Pending) -> None:
    text = config_as_before(registry, read_config(registry), pending.before_text)
    if text is None:
        registry.config_file.unlink(missing_ok=True)
    else:
        write_whole(registry.config_file, text)
    write_canary(registry, pending.before_canary)


def _undo(
    registry: Registry,
    pending: Pending,
    entry: ModelEntry,
    controls: Sequence[ServerControl],
    states: Sequence[dict[int, ServedState]],
) -> None:
    try:
        _restore(registry, pending)
    finally:  # a disk that is full keeps no server from going back
        _tell_before(registry, pending, entry, controls, states)


def _tell_before(
    registry: Registry,
    pending: Pending,
    entry: ModelEntry,
    controls: Sequence[ServerControl],
    states: Sequence[dict[int, ServedState]],
) -> None:
    for control, before in zip(controls, states, strict=True):
        available = {version for version, state in before.items() if state.state == "AVAILABLE"}
        known = {label: version for label, version in entry.labels.items() if version in available}
        text = config_with(registry, pending.before_text, ModelEntry(policy=entry.policy, labels=known))
        try:
            control.reload(text)
        except EosegError:  # it is away, or goes on as before: the first error is the one to tell
            continue


def _log(registry: Registry, pending: Pending, outcome: str, addresses: Sequence[str]) -> None:
    before, after = entry_of(registry, pending.before_text), entry_of(registry, pending.after_text)
    append_entry(
        registry,
        AuditEntry(
            time=now(),
            who=pending.who,
            verb=pending.verb,
            version=pending.version,
            reason=pending.reason,
            outcome=outcome,
            before=_described(before, pending.before_canary),
            after=_described(after, pending.after_canary),
            details={"servers": list(addresses)},
        ),
    )


def _described(entry: ModelEntry, canary: Canary | None) -> dict[str, Any]:
    return {**entry.described(), "canary": None if canary is None else json.loads(canary.model_dump_json())}
