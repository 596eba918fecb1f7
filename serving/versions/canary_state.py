"""The share of tiles that the canary is given: a small file that clients read before each map."""

import json
from datetime import datetime, timezone
from typing import Any

from pydantic import Field, ValidationError

from components.options import Options
from serving.versions.registry import Registry, write_whole
from serving.versions.registry_error import RegistryError

STATE_FILE = "canary.json"


class Canary(Options):
    """A version on trial."""

    version: int
    percent: float = Field(gt=0, le=100)
    """Of the tiles."""
    since: str
    """When it was begun, UTC, ISO 8601."""


def now() -> str:
    """This moment in UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_canary(registry: Registry) -> Canary | None:
    """The version on trial; None where there is none.

    Raises:
        RegistryError: If the file cannot be understood.
    """
    path = registry.own / STATE_FILE
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        return None if document is None else Canary.model_validate(document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"{path} cannot be read: {error}",
            "a canary's version, percent and since, or null",
            "correct it, or put `null` into it to end the canary",
        ) from error


def write_canary(registry: Registry, canary: Canary | None) -> None:
    """Sets or ends the canary, whole or not at all.

    Raises:
        RegistryError: If the file cannot be written.
    """
    text = "null" if canary is None else canary.model_dump_json(indent=1)
    write_whole(registry.own / STATE_FILE, text + "\n")
