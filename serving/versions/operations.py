"""The changes that people and schedulers ask for, each under the lock."""

from collections.abc import Callable

from components.errors import EosegError
from serving.versions.audit import AuditEntry, append_entry, read_audit, stable_history
from serving.versions.canary_state import Canary, now, read_canary
from serving.versions.change import Say, ServerOptions, apply_move, finish_interrupted
from serving.versions.integrity import refuse_changed
from serving.versions.lock import config_lock, registry_lock, who
from serving.versions.model_entry import entry_of, read_config, refuse_elsewhere
from serving.versions.moves import Move, begin_canary, end_canary, promote, roll_back
from serving.versions.registry import STABLE, Registry

_silent: Say = lambda _: None  # noqa: E731


def promote_version(
    registry: Registry,
    version: int | str,
    servers: ServerOptions,
    *,
    label: str = STABLE,
    keep_previous: bool = True,
    reason: str = "",
    wait_seconds: float = 0.0,
    say: Say = _silent,
) -> None:
    """Gives a label to a version.

    Args:
        registry: Of the model.
        version: That is there: its number, one of its labels, or `newest`, as they are once no other change is at
            work. (`promote canary` that has waited for `watch` must not promote what that has just withdrawn.)
        servers: To tell.
        label: Which.
        keep_previous: Whether the version that was stable stays loaded as `previous`, so that rolling back takes no
            time.
        reason: For the audit log.
        wait_seconds: For another change that is at work.
        say: Told of every step.

    Raises:
        RegistryError: If the version is not there or was altered, it cannot be loaded, or another change is at work.
        CallError: If a server does not answer.
        ConfigError: If `models.config` cannot be read.
    """

    def move(labels: dict[str, int], canary: Canary | None) -> Move:
        number = registry.named(version, labels)
        refuse_changed(registry.check_there(number))
        return promote(labels, canary, number, label, keep_previous=keep_previous)

    _change(registry, "promote", version, move, servers, reason, wait_seconds, say)


def set_canary(
    registry: Registry,
    version: int | str,
    percent: float,
    servers: ServerOptions,
    *,
    reason: str = "",
    wait_seconds: float = 0.0,
    say: Say = _silent,
) -> None:
    """Gives a share of the tiles to a version; arguments and errors as of `promote_version`."""

    def move(labels: dict[str, int], canary: Canary | None) -> Move:
        number = registry.named(version, labels)
        refuse_changed(registry.check_there(number))
        return begin_canary(labels, canary, number, percent, now())

    _change(registry, "canary", version, move, servers, reason, wait_seconds, say)


def withdraw_canary(
    registry: Registry, servers: ServerOptions, *, reason: str = "", wait_seconds: float = 0.0, say: Say = _silent
) -> None:
    """Ends the canary; arguments and errors as of `promote_version`."""
    _change(registry, "end canary", None, lambda labels, _: end_canary(labels), servers, reason, wait_seconds, say)


def roll_back_stable(
    registry: Registry,
    servers: ServerOptions,
    *,
    to: int | str | None = None,
    reason: str = "",
    wait_seconds: float = 0.0,
    say: Say = _silent,
) -> None:
    """Makes the version before the stable one stable again; arguments and errors as of `promote_version`."""

    def move(labels: dict[str, int], canary: Canary | None) -> Move:
        number = None if to is None else registry.named(to, labels)
        planned = roll_back(labels, canary, stable_history(read_audit(registry)[0]), registry.versions, number)
        registry.check_there(planned.version)
        return planned

    _change(registry, "rollback", to, move, servers, reason, wait_seconds, say)


def config_before(registry: Registry) -> tuple[str | None, dict[str, int], Canary | None]:
    """`models.config`'s text, its labels of versions that are there, and the canary.

    Raises:
        ConfigError, RegistryError: If a file cannot be read.
    """
    text = read_config(registry)
    there = registry.versions
    labels = {label: version for label, version in entry_of(registry, text).labels.items() if version in there}
    return text, labels, read_canary(registry)


def log_change(
    registry: Registry, verb: str, version: int | None, reason: str, outcome: str, details: dict[str, object]
) -> None:
    """Writes a change that moves no labels into the audit log; call it with the lock held.

    Raises:
        RegistryError: If it cannot be written.
    """
    append_entry(registry, AuditEntry(now(), who(), verb, version, reason, outcome, {}, {}, details))


def _change(
    registry: Registry,
    verb: str,
    version: int | str | None,
    plan: Callable[[dict[str, int], Canary | None], Move],
    servers: ServerOptions,
    reason: str,
    wait_seconds: float,
    say: Say,
) -> None:
    with registry_lock(registry, f"versions {verb}", wait_seconds):
        finish_interrupted(registry, say, wait_seconds)
        with config_lock(registry, f"versions {verb}", wait_seconds):
            text, labels, canary = config_before(registry)
            refuse_elsewhere(registry, text)
            try:
                move = plan(labels, canary)
            except EosegError as error:
                number = int(str(version)) if str(version).isdecimal() else None
                log_change(registry, verb, number, reason, f"refused: {error.problem}", {})
                raise
            apply_move(registry, move, servers, reason, say)
