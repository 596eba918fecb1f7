"""The drift of the maps in a folder of statistics: which maps are taken, and what they are compared with."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from components.drift.reference import EXTRA, REFERENCE_FILE, read_reference
from components.errors import ConfigError, DataError
from serving.drift.compare import Drift, compare
from serving.drift.map_statistics import read_statistics, statistics_files


@dataclass(frozen=True)
class Chosen:
    """Which maps count.

    Attributes:
        model: Their model's name; None takes any, if there is but one.
        version: Their version; None takes the newest that has made a map.
        since: Made at this time or later; None takes all.
    """

    model: str | None = None
    version: int | None = None
    since: datetime | None = None


def drift_of_folder(folder: Path, reference: Path, chosen: Chosen | None = None) -> Drift:
    """Compares the maps whose statistics lie in a folder with their version's reference.

    Args:
        folder: Of the statistics, as `eoseg predict --monitor` writes them; those in folders below count, too.
        reference: The reference statistics, a version's folder, that of a model's versions, or that of the models.
        chosen: Which maps count.

    Raises:
        ConfigError: If there is no such folder.
        MissingFileError: If the version has no reference statistics.
        DataError: If a file cannot be read, no map is left, or the maps do not fit the reference.
    """
    chosen = chosen or Chosen()
    # Read twice, and kept never: a year's maps are many.
    maps = [_Entry.of(path) for path in statistics_files(folder)]
    maps = [entry for entry in maps if chosen.model in (None, entry.model)]
    models = sorted({entry.model for entry in maps})
    if len(models) > 1:
        raise ConfigError(
            f"{folder} has the statistics of {len(models)} models: {', '.join(models)}",
            "the maps of one model",
            "name one with --model-name",
        )
    recent = [entry for entry in maps if chosen.since is None or moment(entry.time) >= chosen.since]
    version = chosen.version
    if version is None:
        version = max((entry.version for entry in recent), default=None)
    taken = [entry for entry in recent if entry.version == version]
    if version is None or not taken:
        raise DataError(
            f"{folder} has no statistics of such maps ({_said(chosen)}); it has those of {len(maps)} map(s)",
            "statistics of at least one map",
            "predict maps with --monitor, or choose others",
        )
    known = read_reference(_reference_of(reference, models[0], version))
    drift = compare(known, (read_statistics(entry.path) for entry in taken))
    others = len(recent) - len(taken)
    if others:
        return replace(drift, notes=(*drift.notes, f"{others} map(s) of other versions are left out"))
    return drift


class _Entry(NamedTuple):
    path: Path
    model: str
    version: int
    time: str

    @classmethod
    def of(cls, path: Path) -> "_Entry":
        of_map = read_statistics(path)
        return cls(path, of_map.model, of_map.version, of_map.time)


def moment(text: str) -> datetime:
    """A date or a time in ISO 8601; UTC where it does not say.

    Raises:
        ConfigError: If it is none.
    """
    try:
        # Python 3.10 does not know the Z.
        found = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is no date", "as 2025-06-01 or 2025-06-01T12:00:00+02:00", "correct it") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _reference_of(path: Path, model: str, version: int) -> Path:
    """The version's folder where `path` is a model's, or that of the models; else `path` itself."""
    if not path.is_dir() or (path / EXTRA).is_dir():
        return path
    of_model = path / str(version)
    return of_model if of_model.is_dir() else path / model / str(version) / EXTRA / REFERENCE_FILE


def _said(chosen: Chosen) -> str:
    said = [
        f"{name} {value}"
        for name, value in (("model", chosen.model), ("version", chosen.version), ("since", chosen.since))
        if value is not None
    ]
    return ", ".join(said) or "any"
