"""Which versions there are, and what to do next so that the wanted ones serve."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import tensorflow as tf

from components.file_systems import load_file_system
from serving.embedded.saved_model import version_path
from serving.embedded.status import invalid_argument
from serving.served_model import ServedModel

_INT64 = re.compile(r"\s*-?\d+\s*", re.ASCII)


def parse_version(name: str) -> int | None:
    """The version that a child of a base path is, or None: `00000123` is 123, `5.tmp` none."""
    if not _INT64.fullmatch(name):
        return None
    number = int(name)
    return number if -(2**63) <= number < 2**63 else None


def list_versions(model: ServedModel) -> dict[int, str]:
    """Version -> its directory, for every numbered child of a model's base path.

    Raises:
        StatusError: INVALID_ARGUMENT if the base path is missing.
    """
    load_file_system(model.base_path)
    try:
        children = tf.io.gfile.listdir(model.base_path)
    except tf.errors.OpError as error:
        raise invalid_argument(
            f"Could not find base path {model.base_path} for servable {model.name} with error {error.message}"
        ) from error
    found = {}
    for child in sorted(children):
        child = child.rstrip("/")
        version = parse_version(child)
        if version is not None:
            found[version] = version_path(model.base_path, child)
    return found


class VersionView(NamedTuple):
    """What the policy sees of a version: `new`, `busy` (loading, unloading), `ready` or `failed`."""

    version: int
    phase: Literal["new", "busy", "ready", "failed"]
    aspired: bool


class Action(NamedTuple):
    """What to do next."""

    verb: Literal["load", "unload"]
    version: int


def next_action(views: Sequence[VersionView]) -> Action | None:
    """The next step of one model, never leaving it without a version that serves: new loads before old unloads.

    A version that is no longer wanted is unloaded (the lowest first) once a wanted one is ready, when none is wanted,
    or while more than one of its kind serve; otherwise the highest wanted new one is loaded.
    """
    unwanted_ready = [view.version for view in views if view.phase == "ready" and not view.aspired]
    wanted = [view for view in views if view.aspired]
    if unwanted_ready and (not wanted or any(view.phase == "ready" for view in wanted) or len(unwanted_ready) > 1):
        return Action("unload", min(unwanted_ready))
    new = [view.version for view in wanted if view.phase == "new"]
    return Action("load", max(new)) if new else None
