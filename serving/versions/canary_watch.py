"""Looks at how the canary does, and takes it off where a rule says so."""

from pathlib import Path

from serving.call_error import CallError
from serving.versions.canary_state import Canary, read_canary
from serving.versions.change import Say, ServerOptions
from serving.versions.observations import MapObservation, observations_folder, read_observations
from serving.versions.operations import config_before, withdraw_canary
from serving.versions.registry import CANARY, STABLE, Registry
from serving.versions.registry_error import RegistryError
from serving.versions.watch import Verdict, WatchOptions, judge


def watch_canary(
    registry: Registry,
    servers: ServerOptions,
    options: WatchOptions,
    *,
    folder: Path | None = None,
    withdraw: bool = True,
    wait_seconds: float = 0.0,
    say: Say = lambda _: None,
) -> Verdict:
    """Compares canary and stable version by the maps since the canary began; withdraws it where a rule is breached.

    Args:
        registry: Of the model.
        servers: To tell.
        options: The rules.
        folder: Of the observations; the registry's own where None.
        withdraw: False only looks.
        wait_seconds: For another change that is at work.
        say: Told of every step.

    Raises:
        RegistryError: If no canary is on trial, or it cannot be withdrawn.
        MissingFileError: If there is no folder of observations.
    """
    canary = read_canary(registry)
    stable = config_before(registry)[1].get(STABLE)
    if canary is None or stable is None:
        raise RegistryError("no version is on trial", "a canary", "begin one: `eoseg versions canary`")
    seen = [
        item for item in read_observations(folder or observations_folder(registry)) if _counts(item, registry, canary)
    ]
    verdict = judge(
        [item for item in seen if item.label == STABLE and item.version == stable],
        [item for item in seen if item.label == CANARY and item.version in (canary.version, None)],
        options,
    )
    if verdict.breaches and withdraw:
        reason = "; ".join(
            f"{rule.name}: stable {rule.stable:.4g}, canary {rule.canary:.4g} (allowed {rule.threshold:g}, by chance "
            f"{rule.chance:.3f})"
            for rule in verdict.breaches
        )
        _withdraw(registry, servers, f"watch: {reason}", wait_seconds, say)
    return verdict


def _withdraw(registry: Registry, servers: ServerOptions, reason: str, wait_seconds: float, say: Say) -> None:
    """A server that is away must not keep a bad canary on trial: clients read its share from the file."""
    try:
        withdraw_canary(registry, servers, reason=reason, wait_seconds=wait_seconds, say=say)
    except CallError as error:
        say(
            f"{error.problem}; the canary is withdrawn in {registry.config_file} alone, until a change names the server"
        )
        withdraw_canary(registry, ServerOptions(), reason=reason, wait_seconds=wait_seconds, say=say)


def _counts(item: MapObservation, registry: Registry, canary: Canary) -> bool:
    return item.model == registry.name and item.time >= canary.since
