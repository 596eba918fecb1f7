"""What is kept of one map for monitoring: `NAME.VERSION.DIGEST.monitor.json`, a few kilobytes a band."""

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError, field_validator

from components.drift.band_histogram import BandHistogram
from components.drift.reference import said_of
from components.errors import ConfigError, DataError
from components.options import Options
from serving.finished_map import whole_or_nothing

SUFFIX = ".monitor.json"

CONFIDENCE_BINS = 300
"""Whatever the bins of a version's evaluation: 15, as is usual, and 10, 20, 25, 30, 50, 60, 75, 100 divide it."""


class MapStatistics(Options):
    """The whole file."""

    format: Literal["eoseg-map-statistics"] = "eoseg-map-statistics"
    format_version: Literal[1] = 1
    map: str
    """The map's path."""
    tile: str
    """The tile's."""
    date: str
    """When the tile was taken, ISO 8601; empty where that is not known."""
    time: str
    """When the map was finished, UTC, ISO 8601."""
    model: str
    version: PositiveInt
    prediction: str
    """The tag EOSEG_PREDICTION of the map: another tile, version or option gives another one."""
    height: PositiveInt
    width: PositiveInt
    seconds: NonNegativeFloat
    """For the rows that this process predicted."""
    resumed_rows: NonNegativeInt
    """Rows that an earlier run had predicted; of these, nothing is in the histograms but the first patches' overlap."""
    class_pixels: dict[str, NonNegativeInt]
    """Class name -> pixels of the whole map."""
    nodata_pixels: NonNegativeInt
    row_step: PositiveInt
    """Bands are counted in every so many rows."""
    bands: tuple[BandHistogram, ...]
    """In record order, at the model's resolution, valid pixels alone."""
    confidence_row_step: PositiveInt
    """The same for the confidence."""
    confidence: tuple[NonNegativeInt, ...]
    """Pixels by the blended probability of the map's class, in `CONFIDENCE_BINS` bins of equal width."""
    confidence_sum: NonNegativeFloat
    """Of these pixels' probabilities, 0 to 1 each."""

    @field_validator("confidence")
    @classmethod
    def _all_bins(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        if len(counts) != CONFIDENCE_BINS:
            raise ValueError(f"{len(counts)} bins; expected {CONFIDENCE_BINS}")
        return counts

    @property
    def mean_confidence(self) -> float | None:
        """0 to 1; None where no pixel was looked at."""
        pixels = sum(self.confidence)
        return self.confidence_sum / pixels if pixels else None


def statistics_file(folder: Path, map_path: Path, version: int, prediction: str) -> Path:
    """Where the statistics of a map lie: the same for the same tile, version and options, and for nothing else."""
    return folder / f"{map_path.stem}.{version}.{prediction[:8]}{SUFFIX}"


def write_statistics(path: Path, statistics: MapStatistics) -> None:
    """Writes the file, whole or not at all.

    Raises:
        RasterError: If it cannot be written.
    """
    with whole_or_nothing(path, "map's statistics") as part:
        part.write_text(statistics.model_dump_json(), encoding="utf-8")


def read_statistics(path: Path) -> MapStatistics:
    """The inverse of `write_statistics`.

    Raises:
        DataError: If the file holds no such statistics.
    """
    try:
        return MapStatistics.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path} cannot be read: {said_of(error)}",
            "statistics as `eoseg predict --monitor` writes them",
            "delete it, or move it elsewhere",
        ) from error


def statistics_files(folder: Path) -> list[Path]:
    """The statistics in a folder and below it, by path.

    Raises:
        ConfigError: If there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}",
            f"one with files {SUFFIX}, as `eoseg predict --monitor` writes them",
            "predict maps with --monitor, or correct the path",
        )
    # Those with a leading dot are not finished.
    return [path for path in sorted(folder.rglob(f"*{SUFFIX}")) if not path.name.startswith(".")]
