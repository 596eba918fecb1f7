"""What is known of the data a run was made from: tiles, patches, class shares, bands, findings."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.data_statistics.component import VERDICT_FILE, VERDICT_JSON
from components.data_statistics.skew import Divergence, has_statistics, load_statistics
from components.data_statistics.verdict import SOUND
from components.file_systems import read_text
from components.label_validation.component import REPORT_JSON
from components.label_validation.findings import Finding
from components.records.component import COUNTS_FILE
from components.records.patch_example import BAND_MEAN, BAND_STDDEV
from components.tile_source import SPLITS
from tfx_pipeline.data_set import DataSet

MOST_FINDINGS = 200
"""Findings beyond these are counted, not listed."""


@dataclass(frozen=True)
class SplitFacts:
    """One split.

    Attributes:
        split: Its name.
        tiles: How many tiles it has.
        patches: Records written; None where that is not known.
        without_image, without_truth: Patches left out.
        pixels: Of the labels, at full resolution, by class name.
        void: Void pixels, colours off the palette included.
    """

    split: str
    tiles: int
    patches: int | None
    without_image: int
    without_truth: int
    pixels: dict[str, int]
    void: int

    @property
    def label_pixels(self) -> int:
        """All pixels of the labels."""
        return sum(self.pixels.values()) + self.void

    @property
    def void_share(self) -> float:
        """Share of void, 0 to 1."""
        return self.void / self.label_pixels if self.label_pixels else 0.0

    def class_share(self, name: str) -> float:
        """Share of a class, 0 to 1."""
        return self.pixels.get(name, 0) / self.label_pixels if self.label_pixels else 0.0


@dataclass(frozen=True)
class BandFacts:
    """One band in one split: mean over the patches of their mean and of their standard deviation, sensor's numbers."""

    band: str
    split: str
    mean: float
    stddev: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class BandHistogram:
    """How the patches' means of one band are spread in one split: bin centres, and shares of the patches."""

    split: str
    centres: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class MeasuredDivergence:
    """Skew or drift of a feature, and whether it stopped the run."""

    measured: Divergence
    too_far: bool


@dataclass(frozen=True)
class StatisticsVerdict:
    """What the AnomalyGate found: whether it stops the run, in words, and what it measured, the farthest first."""

    stops: bool
    text: str
    divergences: tuple[MeasuredDivergence, ...]


@dataclass(frozen=True)
class LabelFindings:
    """The label validator's findings: the first `MOST_FINDINGS`, and how many there are by severity."""

    listed: tuple[Finding, ...]
    by_severity: dict[str, int]

    @property
    def total(self) -> int:
        """All findings."""
        return sum(self.by_severity.values())


def split_facts(data: DataSet, examples_uri: str | None, validation: Path) -> list[SplitFacts]:
    """The splits that have a tile.

    Args:
        data: The tiles.
        examples_uri: Of TileExampleGen's Examples, None where there is none.
        validation: The folder of the label validator's report.
    """
    counts = _read_list(f"{examples_uri}/{COUNTS_FILE}") if examples_uri else None
    tallies = _label_report(validation).get("tiles", [])
    facts = []
    for split in SPLITS:
        tiles = {tile.tile for tile in data.tiles if tile.split == split}
        if not tiles:
            continue
        rows = [row for row in counts or [] if row["split"] == split]
        of_split = [row for row in tallies if row["tile"] in tiles]
        pixels: Counter[str] = Counter()
        for row in of_split:
            pixels.update(row["by_class"])
        facts.append(
            SplitFacts(
                split=split,
                tiles=len(tiles),
                patches=None if counts is None else sum(row["written"] for row in rows),
                without_image=sum(row["without_image"] for row in rows),
                without_truth=sum(row["without_truth"] for row in rows),
                pixels=dict(pixels),
                void=sum(row["void"] + row["off_palette"] for row in of_split),
            )
        )
    return facts


def label_findings(validation: Path) -> LabelFindings | None:
    """The validator's findings, most severe first; None where there is no report."""
    report = _label_report(validation)
    if not report:
        return None
    findings = [Finding.model_validate(row) for row in report["findings"]]
    counts = Counter[str](finding.severity for finding in findings)
    return LabelFindings(tuple(findings[:MOST_FINDINGS]), dict(counts))


def band_facts(
    statistics_uri: str | None, bands: Sequence[str]
) -> tuple[list[BandFacts], dict[str, list[BandHistogram]]]:
    """StatisticsGen's figures of each band in each split, and the patch means' histograms by band."""
    facts: list[BandFacts] = []
    histograms: dict[str, list[BandHistogram]] = {}
    for split in SPLITS:
        if statistics_uri is None or not has_statistics(statistics_uri, split):
            continue
        features = {
            ".".join(feature.path.step) or feature.name: feature.num_stats
            for dataset in load_statistics(statistics_uri, split).datasets
            for feature in dataset.features
        }
        for band in bands:
            mean, stddev = features.get(f"{BAND_MEAN}/{band}"), features.get(f"{BAND_STDDEV}/{band}")
            if mean is None or stddev is None:
                continue
            facts.append(BandFacts(band, split, mean.mean, stddev.mean, mean.min, mean.max))
            # TFDV writes a standard (equal widths) and a quantile histogram; type 0 is the standard one.
            standard = next((h for h in mean.histograms if h.type == 0 and h.buckets), None)
            total = sum(bucket.sample_count for bucket in standard.buckets) if standard else 0
            if standard and total:
                centres = tuple((bucket.low_value + bucket.high_value) / 2 for bucket in standard.buckets)
                shares = tuple(bucket.sample_count / total for bucket in standard.buckets)
                histograms.setdefault(band, []).append(BandHistogram(split, centres, shares))
    return sorted(facts, key=lambda f: bands.index(f.band)), histograms


def statistics_verdict(verdict_uri: str | None) -> StatisticsVerdict | None:
    """The AnomalyGate's verdict; None where it did not get so far."""
    text = read_text(f"{verdict_uri}/{VERDICT_FILE}") if verdict_uri else None
    if text is None:
        return None
    document = json.loads(read_text(f"{verdict_uri}/{VERDICT_JSON}") or "{}")
    found = [
        MeasuredDivergence(Divergence(**{**row, "value": math.nan if row["value"] is None else row["value"]}), too_far)
        for row in document.get("divergences", [])
        for too_far in [row.pop("too_far")]
    ]
    found.sort(key=lambda one: (one.measured.kind != "skew", -one.measured.value))
    stops = document.get("stops", not text.startswith(SOUND))
    return StatisticsVerdict(stops, text.strip(), tuple(found))


def _label_report(validation: Path) -> dict[str, list[dict]]:
    path = validation / REPORT_JSON
    report: dict[str, list[dict]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return report


def _read_list(path: str) -> list[dict] | None:
    text = read_text(path)
    rows: list[dict] | None = None if text is None else json.loads(text)
    return rows
