"""Compares what maps have shown with what their version was trained on.

Bands, classes and confidence of all maps are added up and held against the reference once, then map by map. Everything
is counted in groups that the reference decides: the deciles of a band's training pixels and its open ends, the classes,
and the bins of the evaluation's reliability curve.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.drift.band_histogram import BandHistogram, sum_histograms
from components.drift.chance import index_by_chance
from components.drift.divergence import grouped, jensen_shannon, level_of, population_stability_index
from components.drift.reference import ReferenceStatistics
from components.errors import DataError
from serving.drift.map_statistics import CONFIDENCE_BINS, MapStatistics

CLASSES = "classes"
CONFIDENCE = "confidence"


@dataclass(frozen=True)
class DriftRow:
    """One thing that is compared.

    Attributes:
        name: `band/NAME`, `classes` or `confidence`.
        psi: Population stability index.
        jensen_shannon: Jensen-Shannon divergence, 0 to 1.
        chance: The index that as many of the reference's own tiles exceed once in twenty times; None if not known.
        what: What has changed, in words.
    """

    name: str
    psi: float
    jensen_shannon: float
    chance: float | None
    what: str

    @property
    def level(self) -> str:
        """`none`, `some` or `large`, as the index is usually read."""
        return level_of(self.psi)

    @property
    def beyond_chance(self) -> bool:
        """Whether as many tiles of the training rarely differ so; True where that is not known."""
        return self.chance is None or self.psi > self.chance


@dataclass(frozen=True)
class MapDrift:
    """How far one map is from the reference; single tiles differ, drift or not.

    Attributes:
        map: Its path.
        tile: The tile's.
        date: When the tile was taken; empty where that is not known.
        name: Of the row that is furthest.
        psi: Of that row.
    """

    map: str
    tile: str
    date: str
    name: str
    psi: float


@dataclass(frozen=True)
class Drift:
    """What some maps of one version say together.

    Attributes:
        model, version: Who predicted them.
        maps: How many.
        pixels: Of them that have a class.
        rows: Bands in record order, classes, confidence; what the reference does not know is left out.
        by_map: All maps, the one that differs most first.
        notes: What is left out, and why.
    """

    model: str
    version: int
    maps: int
    pixels: int
    rows: tuple[DriftRow, ...]
    by_map: tuple[MapDrift, ...]
    notes: tuple[str, ...]

    @property
    def max_psi(self) -> float:
        """The largest index of all rows."""
        return max(row.psi for row in self.rows)

    @property
    def max_psi_beyond_chance(self) -> float:
        """The largest index of the rows that differ by more than chance; 0 where none does."""
        return max((row.psi for row in self.rows if row.beyond_chance), default=0.0)


def compare(reference: ReferenceStatistics, found: Iterable[MapStatistics]) -> Drift:
    """Compares maps of one version with its reference; holds one map's statistics at a time.

    Args:
        reference: Of the version.
        found: The maps' statistics, at least one.

    Raises:
        DataError: If there is none, a map's bands or classes are others than the reference's, or no pixel was counted.
    """
    expected, tiles = _expected(reference), _tiles(reference)
    seen = _Seen(reference, expected)
    for of_map in found:
        seen.add(of_map)
    if seen.latest is None:
        raise DataError("there is no map to compare", "statistics of at least one map", "predict maps with --monitor")
    names = [name for name, sums in seen.sums.items() if sums.sum()]
    if not names:
        raise DataError(
            "no pixel of these maps was counted", "maps of tiles with image data", "predict other tiles with --monitor"
        )
    rows = [
        DriftRow(
            name=name,
            psi=float(population_stability_index(expected[name], seen.sums[name])),
            jensen_shannon=float(jensen_shannon(expected[name], seen.sums[name])),
            chance=index_by_chance(tiles[name], seen.maps),
            what=seen.words(name),
        )
        for name in names
    ]
    return Drift(
        model=seen.latest.model,
        version=seen.latest.version,
        maps=seen.maps,
        pixels=seen.pixels,
        rows=tuple(rows),
        by_map=tuple(sorted(seen.by_map, key=lambda one: -one.psi)),
        notes=tuple(_notes(reference, seen.resumed)),
    )


class _Seen:
    """What the maps add up to."""

    def __init__(self, reference: ReferenceStatistics, expected: Mapping[str, NDArray[np.int64]]) -> None:
        self._reference = reference
        self._expected = expected
        self._bands: list[BandHistogram] = []
        self.sums = {name: np.zeros_like(counts) for name, counts in expected.items()}
        self.maps = self.pixels = self.resumed = 0
        self.by_map: list[MapDrift] = []
        self.latest: MapStatistics | None = None

    def add(self, of_map: MapStatistics) -> None:
        _check_fits(self._reference, of_map)
        counts = _groups(self._reference, of_map)
        for name, own in counts.items():
            self.sums[name] += own
        bands = of_map.bands
        if self._bands:
            bands = tuple(sum_histograms(pair) for pair in zip(self._bands, bands, strict=True))
        self._bands = list(bands)
        self.maps += 1
        self.pixels += sum(of_map.class_pixels.values())
        self.resumed += of_map.resumed_rows > 0
        furthest = _of_map(of_map, counts, self._expected)
        if furthest is not None:
            self.by_map.append(furthest)
        self.latest = of_map

    def words(self, name: str) -> str:
        """What has changed of a row."""
        reference, now = self._reference, self.sums[name]
        if name == CLASSES:
            before, after = (counts / max(1, counts.sum()) for counts in (self._expected[name], now))
            most = int(np.abs(after - before).argmax())
            return f"{reference.classes.names[most]} {before[most]:.1%} -> {after[most]:.1%}"
        if name == CONFIDENCE:
            return f"mean {_mean_of_bins(self._expected[name]):.1%} -> {_mean_of_bins(now):.1%}"
        i = next(i for i, band in enumerate(reference.bands) if band_name(band.histogram) == name)
        return f"median {_number(reference.bands[i].histogram.median)} -> {_number(self._bands[i].median)}"


def band_name(histogram: BandHistogram) -> str:
    """The name of a band's row."""
    return f"band/{histogram.name}"


def _check_fits(reference: ReferenceStatistics, of_map: MapStatistics) -> None:
    for what, ours, its in (
        ("bands", [band.histogram.name for band in reference.bands], [band.name for band in of_map.bands]),
        ("classes", list(reference.classes.names), list(of_map.class_pixels)),
        ("dtypes", [b.histogram.dtype for b in reference.bands], [b.dtype for b in of_map.bands]),
    ):
        if ours != its:
            raise DataError(
                f"{of_map.map} by version {of_map.version} has the {what} {', '.join(its)}",
                f"those of the reference: {', '.join(ours)}",
                "compare the maps of a version with that version's own reference statistics",
            )


def _groups(reference: ReferenceStatistics, of_map: MapStatistics) -> dict[str, NDArray[np.int64]]:
    """A map's pixels by row name, in the reference's groups."""
    counts = {
        band_name(band): grouped(band.bins, band.counts, known.cuts)
        for band, known in zip(of_map.bands, reference.bands, strict=True)
    }
    if sum(reference.classes.mapped or ()):
        counts[CLASSES] = np.array(list(of_map.class_pixels.values()), np.int64)
    if reference.confidence is not None and CONFIDENCE_BINS % len(reference.confidence.counts) == 0:
        bins = len(reference.confidence.counts)
        counts[CONFIDENCE] = np.array(of_map.confidence, np.int64).reshape(bins, -1).sum(axis=1)
    return counts


def _expected(reference: ReferenceStatistics) -> dict[str, NDArray[np.int64]]:
    expected = {
        band_name(band.histogram): grouped(band.histogram.bins, band.histogram.counts, band.cuts)
        for band in reference.bands
    }
    if sum(reference.classes.mapped or ()):
        expected[CLASSES] = np.array(reference.classes.mapped, np.int64)
    if reference.confidence is not None and CONFIDENCE_BINS % len(reference.confidence.counts) == 0:
        expected[CONFIDENCE] = np.array(reference.confidence.counts, np.int64)
    return expected


def _tiles(reference: ReferenceStatistics) -> dict[str, tuple[tuple[int, ...], ...]]:
    tiles = {band_name(band.histogram): band.tiles for band in reference.bands} | {CLASSES: reference.classes.tiles}
    return tiles if reference.confidence is None else tiles | {CONFIDENCE: reference.confidence.tiles}


def _of_map(
    of_map: MapStatistics, counts: Mapping[str, NDArray[np.int64]], expected: Mapping[str, NDArray[np.int64]]
) -> MapDrift | None:
    """None where nothing of it was counted: a tile without a valid pixel."""
    indices = {
        name: float(population_stability_index(expected[name], own)) for name, own in counts.items() if own.sum()
    }
    if not indices:
        return None
    name = max(indices, key=lambda key: indices[key])
    return MapDrift(of_map.map, of_map.tile, of_map.date, name, indices[name])


def _mean_of_bins(counts: NDArray[np.int64]) -> float:
    """The mean of the bins' middles: the same measure for both sides."""
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    return float(counts @ middles / max(1, counts.sum()))


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _notes(reference: ReferenceStatistics, resumed: int) -> list[str]:
    notes = []
    if not sum(reference.classes.mapped or ()):
        notes.append("class shares are not compared: the version was published without an evaluation of whole tiles")
    if reference.confidence is None:
        notes.append("confidence is not compared: the version's evaluation has no reliability curve")
    elif CONFIDENCE_BINS % len(reference.confidence.counts):
        notes.append(
            f"confidence is not compared: {len(reference.confidence.counts)} bins (evaluation.bins) do not divide "
            f"{CONFIDENCE_BINS}"
        )
    if resumed:
        notes.append(f"{resumed} map(s) were gone on with after an interruption: their first rows are not counted")
    return notes
