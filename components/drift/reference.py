"""What a version was trained on, in figures that travel with it: `assets.extra/reference_statistics.json`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from components.drift.band_histogram import BandHistogram
from components.errors import DataError, MissingFileError
from components.options import Options

EXTRA = "assets.extra"
REFERENCE_FILE = "reference_statistics.json"

GROUPS = 10
"""Of a band's pixels: deciles of the training split, as the index is usually taken, and its two open ends."""


class ReferenceBand(Options):
    """A band of the training records."""

    histogram: BandHistogram
    cuts: tuple[int, ...]
    """Of `components.drift.divergence.quantile_cuts`."""
    tiles: tuple[tuple[NonNegativeInt, ...], ...] = ()
    """Of some training tiles each, the pixels in every group."""


class ReferenceClasses(Options):
    """Which classes there are, and how many pixels of each."""

    names: tuple[str, ...]
    trained: tuple[NonNegativeInt, ...]
    """In the labels of the training records."""
    mapped: tuple[NonNegativeInt, ...] | None = None
    """In the version's own maps of the evaluated tiles: what maps are compared with."""
    tiles: tuple[tuple[NonNegativeInt, ...], ...] = ()
    """The same, of each evaluated tile."""


class ReferenceConfidence(Options):
    """Pixels of the evaluated tiles, where there is truth, by the probability of the version's class."""

    counts: tuple[NonNegativeInt, ...] = Field(min_length=1)
    """In bins of equal width; bin b of B holds (b / B, (b + 1) / B], 0 is in the first."""
    tiles: tuple[tuple[NonNegativeInt, ...], ...] = ()
    """The same, of each evaluated tile."""


class ReferenceStatistics(Options):
    """The whole file.

    Raises:
        pydantic.ValidationError: If classes and counts do not fit each other.
    """

    format: Literal["eoseg-reference-statistics"] = "eoseg-reference-statistics"
    format_version: Literal[1] = 1
    records: PositiveInt
    """Of the training split."""
    counted_records: PositiveInt
    """Of these, the ones whose pixels were counted."""
    bands: tuple[ReferenceBand, ...]
    """In record order."""
    classes: ReferenceClasses
    confidence: ReferenceConfidence | None = None

    @model_validator(mode="after")
    def _fits(self) -> "ReferenceStatistics":
        classes = self.classes
        rows = (classes.trained, *([] if classes.mapped is None else [classes.mapped]), *classes.tiles)
        if any(len(row) != len(classes.names) for row in rows):
            raise ValueError(f"counts of classes are not as many as the {len(classes.names)} classes")
        if any(len(tile) != len(band.cuts) + 1 for band in self.bands for tile in band.tiles):
            raise ValueError("a tile's counts are not as many as the groups of its band")
        confidence = self.confidence
        if confidence is not None and any(len(tile) != len(confidence.counts) for tile in confidence.tiles):
            raise ValueError("a tile's counts are not as many as the bins of the confidence")
        return self


def read_reference(path: Path) -> ReferenceStatistics:
    """Reads the statistics of a version.

    Args:
        path: The file, or the version's folder.

    Raises:
        MissingFileError: If there is none.
        DataError: If it is none.
    """
    file = path / EXTRA / REFERENCE_FILE if path.is_dir() else path
    try:
        return ReferenceStatistics.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(
            f"{file} does not exist",
            "the statistics of its training that a version is published with",
            "name a version that this EOSeg published, or run the pipeline again",
        ) from error
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file} cannot be read: {said_of(error)}",
            "the statistics of a version",
            "publish the version again",
        ) from error


def said_of(error: Exception) -> str:
    """What is wrong with a file, in one line: of a validation, its first finding and where."""
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_url=False)
        place = ".".join(map(str, found[0]["loc"]))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return f"{place}{': ' if place else ''}{found[0]['msg']}{more}"
    return str(error).splitlines()[0]
