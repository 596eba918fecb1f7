"""Whether anything is new since the last run that pushed a version: for `eoseg run --if-changed`.

A run that pushes leaves `last_push.json` in its working directory: what its tiles, configuration and code were. New
tiles or another configuration lead to another model by themselves. An old version and drifted maps do not: every step
would be reused. Then the training starts from another seed, which the newest version decides, so that an interrupted
run goes on with the same one.
"""

import hashlib
import json
import math
import os
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field

from components.errors import ConfigError
from components.options import Options
from components.publishing.versions import version_numbers
from components.tile_source import TileList
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places

RECORD = "last_push.json"
_PACKAGES = ("tensorflow", "keras", "tfx", "apache-beam", "rasterio", "numpy")
_CODE_FOLDERS = ("components", "serving", "tfx_pipeline")
_CODE_SUFFIXES = (".py", ".j2", ".css", ".js")
_NOT_OF_THE_RESULT = {"workdir", "artifacts", "beam", "kubeflow", "metadata"}
"""Keys of the configuration that say where and with what, not what."""
_SECONDS_OF_2001 = 1_000_000_000
_DAY_SECONDS = 86400.0


class Triggers(Options):
    """What calls for a run beside new tiles, another configuration and other code.

    Raises:
        pydantic.ValidationError: On values out of range.
    """

    max_age_days: float | None = Field(default=None, gt=0)
    """Of the newest version; None lets it become as old as it may."""
    max_drift: float | None = Field(default=None, gt=0)
    """Population stability index; None looks at no drift."""
    drift_file: str | None = None
    """What `eoseg drift --json` wrote; None is `drift.json` in the working directory."""


@dataclass(frozen=True)
class Changes:
    """What is new.

    Attributes:
        reasons: For the person or the log; empty where nothing calls for a run.
        notes: What could not be looked at.
        newest: The newest version in the served folder; None where there is none.
        by_itself: Whether what is new leads to another model by itself.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    newest: int | None
    by_itself: bool

    def config_to_run(self, config: Config) -> Config:
        """The configuration that makes another model: with another seed where all else is the same."""
        if self.by_itself or self.newest is None or not self.reasons:
            return config
        seed = (config.training.seed + self.newest) % 2**31
        return config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})


def find_changes(
    config: Config, data: DataSet, places: Places, triggers: Triggers, now: float | None = None
) -> Changes:
    """Compares what is there with the last run that pushed.

    Args:
        config: The configuration.
        data: Its tiles, with their fingerprint.
        places: The working directory and the served folder.
        triggers: What else counts.
        now: Seconds since 1970; None is the clock's.

    Raises:
        ConfigError: If the file of drift cannot be used.
    """
    versions = version_numbers(places.model_base / config.publish.model_name)
    newest = versions[-1] if versions else None
    last = _read(places.workdir / RECORD)
    reasons, notes = [], []
    if newest is None:
        reasons.append(f"{places.model_base / config.publish.model_name} holds no version")
    if not last:
        reasons.append(f"no run that pushed a version is recorded in {places.workdir}")
    else:
        there = _state(config, data)
        reasons += [text for key, text in _SAID.items() if last.get(key) != there[key]]
    by_itself = bool(reasons)
    if newest is not None:
        aged, drifted = _age(newest, places, config, triggers, now), ""
        if triggers.max_drift is not None:
            path = Path(triggers.drift_file or places.workdir / "drift.json").expanduser()
            drifted, note = _drift(path, triggers.max_drift, newest)
            notes += [note] if note else []
        reasons += [reason for reason in (aged, drifted) if reason]
    return Changes(tuple(reasons), tuple(notes), newest, by_itself)


def record_push(config: Config, data: DataSet, places: Places, pushed: int) -> None:
    """Remembers what a run that pushed was made of, whole or not at all.

    Args:
        config: As it was given, not with another seed.
        data: Its tiles.
        places: The working directory.
        pushed: The version.
    """
    path = places.workdir / RECORD
    part = path.with_name(f".{RECORD}.{os.getpid()}.part")
    part.write_text(json.dumps({**_state(config, data), "version": pushed}, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


_SAID = {
    "tiles": "the tiles are not those of the last run that pushed: new or changed files, or other splits",
    "config": "the configuration is another one than that of the last run that pushed",
    "code": "the code or its packages are other ones than those of the last run that pushed",
}


def _state(config: Config, data: DataSet) -> dict[str, str]:
    tiles = TileList(tiles=data.tiles).model_dump_json()
    document = config.model_dump(mode="json", exclude=_NOT_OF_THE_RESULT)
    return {
        "tiles": _digest(f"{data.fingerprint}{data.zones_fingerprint}\n{tiles}"),
        "config": _digest(json.dumps(document, sort_keys=True)),
        "code": _code_digest(),
    }


def _code_digest() -> str:
    """Of the installed sources, wherever they are: a checkout's revision says nothing of changes to its files."""
    root = Path(__file__).parent.parent
    lines = []
    for folder in _CODE_FOLDERS:
        files = sorted(path for path in (root / folder).rglob("*") if path.suffix in _CODE_SUFFIXES)
        lines += [f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return _digest("\n".join([*lines, *(f"{package} {_installed(package)}" for package in _PACKAGES)]))


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _age(newest: int, places: Places, config: Config, triggers: Triggers, now: float | None) -> str:
    if triggers.max_age_days is None:
        return ""
    # Versions are numbered by the second they were pushed in; one that was numbered otherwise has its folder's time.
    folder = places.model_base / config.publish.model_name / str(newest)
    made = newest if newest >= _SECONDS_OF_2001 else folder.stat().st_mtime
    days = ((time.time() if now is None else now) - made) / _DAY_SECONDS
    if days <= triggers.max_age_days:
        return ""
    return f"version {newest} is {days:.1f} days old, more than {triggers.max_age_days:g}"


def _drift(path: Path, limit: float, newest: int) -> tuple[str, str]:
    """The reason to run, and the note why drift could not be judged; each may be empty."""
    if not path.is_file():
        return "", f"there are no figures of drift: {path} does not exist"
    document = _read(path)
    figure = document.get("max_psi_beyond_chance", document.get("max_psi"))
    if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not math.isfinite(figure):
        raise ConfigError(
            f"{path} holds no figures of drift", 'JSON with a number at "max_psi"', "write it by `eoseg drift --json`"
        )
    of_version = document.get("version", newest)
    if of_version != newest:
        return "", f"the figures of drift in {path} are of version {of_version}, not of {newest}, the newest"
    if document.get("enough", True) is not True:
        return "", f"the figures of drift in {path} are of too few maps"
    if figure <= limit:
        return "", ""
    of = document.get("psi")
    worst = max(of, key=lambda name: of[name]) if isinstance(of, dict) and of and _all_numbers(of) else "the worst"
    return f"the maps have drifted: {worst} has a population stability index of {figure:.3f}, over {limit:g}", ""


def _all_numbers(values: dict[str, Any]) -> bool:
    return all(isinstance(value, (int, float)) for value in values.values())


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
