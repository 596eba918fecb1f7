"""What a client saw of a version, map by map: a JSON line each, which `eoseg versions watch` compares.

Every process appends to a file of its own, so that lines of several machines on one network folder never mix.
"""

import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from components.errors import ConfigError, MissingFileError
from components.options import Options
from serving.versions.registry import Registry

OBSERVATIONS_FOLDER = "observations"
CONFIDENCE_NODATA = 255


class MapObservation(Options):
    """One map, or one that failed."""

    time: str
    """When it ended, UTC, ISO 8601."""
    model: str
    label: str
    """By which the version was asked; empty where by another way."""
    version: int | None
    """None where the server did not even say which."""
    tile: str
    failed: str = ""
    """Why there is no map; empty where there is one."""
    seconds: float = Field(ge=0)
    """For the rows that this process predicted."""
    pixels: int = Field(ge=0)
    """Of these rows."""
    class_pixels: dict[str, int] = Field(default_factory=dict)
    """Class name -> pixels of the whole map."""
    confidence: float | None = Field(default=None, ge=0, le=100)
    """Mean probability of the map's class in percent, of the rows that were looked at."""

    @property
    def seconds_per_megapixel(self) -> float | None:
        """None where nothing was predicted."""
        return self.seconds / self.pixels * 1e6 if self.pixels else None


class MeanConfidence:
    """The mean of confidences in percent, of every `step`-th strip of rows: a sample costs a tenth of all."""

    def __init__(self, step: int = 8) -> None:
        self._step = step
        self._strips = 0
        self._sum = self._count = 0

    def wants_next(self) -> bool:
        """Whether the next strip is one of the sample."""
        self._strips += 1
        return (self._strips - 1) % self._step == 0

    def add(self, confidence: NDArray[np.uint8]) -> None:
        """Adds `(rows, width)` uint8 percents; 255 is nodata."""
        valid = confidence[confidence != CONFIDENCE_NODATA]
        self._sum += int(valid.sum(dtype=np.int64))
        self._count += valid.size

    @property
    def mean(self) -> float | None:
        """None where no pixel had a class."""
        return self._sum / self._count if self._count else None


def observations_folder(registry: Registry) -> Path:
    """Where clients that can reach the model's folder write."""
    return registry.own / OBSERVATIONS_FOLDER


def append_observation(folder: Path, observation: MapObservation) -> None:
    """Appends a line to this process's file of today.

    Raises:
        ConfigError: If it cannot be written.
    """
    name = f"{observation.time[:10]}-{socket.gethostname()}-{os.getpid()}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (observation.model_dump_json() + "\n").encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            f"{folder / name} cannot be written: {error.strerror or error}",
            "a folder for the observations of maps that this user can write to",
            "correct its permissions, or name another one with --observations",
        ) from error


def read_observations(folder: Path) -> list[MapObservation]:
    """All observations below a folder, by time; lines that a process did not finish are passed over.

    Raises:
        MissingFileError: If there is no such folder.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"there is no folder {folder}",
            "observations as `eoseg predict --registry` writes them",
            "predict maps with --registry, or name the folder with --observations",
        )
    found = [item for path in sorted(folder.rglob("*.jsonl")) for item in _read(path.read_bytes().splitlines())]
    return sorted(found, key=lambda item: item.time)


def _read(lines: Iterable[bytes]) -> list[MapObservation]:
    found = []
    for line in lines:
        try:
            document: Any = json.loads(line)
            found.append(MapObservation.model_validate(document))
        except (ValueError, ValidationError):
            continue
    return found
