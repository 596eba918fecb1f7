"""What promoting, trying out and rolling back mean for the labels; pure functions."""

import re
from dataclasses import dataclass

from serving.versions.canary_state import Canary
from serving.versions.registry import CANARY, NEWEST, PREVIOUS, STABLE
from serving.versions.registry_error import RegistryError


@dataclass(frozen=True)
class Move:
    """Labels and canary as they shall be.

    Attributes:
        verb: For the audit log.
        version: That it is about.
        labels: Label -> version, all of them.
        canary: None where no version is on trial.
    """

    verb: str
    version: int
    labels: dict[str, int]
    canary: Canary | None


def promote(
    labels: dict[str, int], canary: Canary | None, version: int, label: str = STABLE, *, keep_previous: bool = True
) -> Move:
    """Gives a label to a version; as `stable`, the version before becomes `previous`, and a canary of it ends.

    Raises:
        RegistryError: If the label is one that the registry gives by itself, or could be taken for another name of
            a version.
    """
    if not re.fullmatch(r"[^\W\d][\w.-]{0,62}", label) or label == NEWEST:
        raise RegistryError(
            f"label {label!r}",
            f"a letter, then letters, digits, '_', '-' and '.', 63 in all at most; not '{NEWEST}'",
            "choose another: numbers and the word name versions themselves",
        )
    if label in (CANARY, PREVIOUS):
        raise RegistryError(
            f"label '{label}' is given by `canary` and by promoting to {STABLE}",
            f"{STABLE}, or a name of your own",
            "use `eoseg versions canary`" if label == CANARY else f"promote to {STABLE}",
        )
    moved = {**labels, label: version}
    if label == STABLE:
        before = labels.get(STABLE)
        if before is not None and before != version:
            moved[PREVIOUS] = before
        if not keep_previous or moved.get(PREVIOUS) == version:
            moved.pop(PREVIOUS, None)
        if labels.get(CANARY) == version:
            del moved[CANARY]
            canary = None
    return Move("promote", version, moved, canary)


def begin_canary(labels: dict[str, int], canary: Canary | None, version: int, percent: float, moment: str) -> Move:
    """Gives a share of the tiles to a version; one on trial already only gets another share.

    Raises:
        RegistryError: If there is nothing stable to compare with, or the version is it.
    """
    if STABLE not in labels:
        raise RegistryError(
            "no version is stable yet",
            "a stable version beside the canary",
            "promote one first: `eoseg versions promote`",
        )
    if labels[STABLE] == version:
        raise RegistryError(
            f"version {version} is {STABLE} already", "another version than the stable one", "name another one"
        )
    since = canary.since if canary is not None and canary.version == version else moment
    return Move("canary", version, {**labels, CANARY: version}, Canary(version=version, percent=percent, since=since))


def end_canary(labels: dict[str, int]) -> Move:
    """Takes the canary off; all tiles are the stable version's again.

    Raises:
        RegistryError: If there is none.
    """
    if CANARY not in labels:
        raise RegistryError("no version is on trial", "a canary", "see `eoseg versions list`")
    rest = {label: version for label, version in labels.items() if label != CANARY}
    return Move("end canary", labels[CANARY], rest, None)


def roll_back(
    labels: dict[str, int], canary: Canary | None, history: list[int], there: list[int], to: int | None = None
) -> Move:
    """Makes the version before the stable one stable again.

    Args:
        labels, canary: As they are.
        history: The versions that were stable, the present one last (`stable_history`).
        there: Versions whose folders are there.
        to: A version to go back to; None takes `previous`, else the one before in the history.

    Raises:
        RegistryError: If there is none.
    """
    stable = labels.get(STABLE)
    if stable is None:
        raise RegistryError("no version is stable", "a stable version to roll back from", "promote one")
    if to is None:
        earlier = [version for version in reversed(history[:-1]) if version in there and version != stable]
        candidates = ([labels[PREVIOUS]] if PREVIOUS in labels else []) + earlier
        to = next((version for version in candidates if version in there), None)
    if to is None or to == stable:
        raise RegistryError(
            f"there is no version to go back to from {stable}",
            "a version that was stable before and is still there",
            "name one: --to-version V",
        )
    rest = {
        label: version for label, version in labels.items() if label != PREVIOUS and (label, version) != (CANARY, to)
    }
    return Move("rollback", to, {**rest, STABLE: to}, None if labels.get(CANARY) == to else canary)
