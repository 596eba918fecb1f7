"""Anomalies of the records' statistics, and how far two statistics diverge, by TensorFlow Data Validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.file_systems import load_file_system
from components.records import patch_example

STATISTICS_FILE = "FeatureStats.pb"
ANOMALIES_FILE = "SchemaDiff.pb"

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


@dataclass(frozen=True)
class Anomaly:
    """One anomaly: in which split, of which feature, and TFDV's own words."""

    split: str
    feature: str
    found: str


@dataclass(frozen=True)
class Divergence:
    """How far one feature's histogram is from another's.

    Attributes:
        kind: `skew` is against the training split of the same run, `drift` against the same split of the last run.
        split: The split that is looked at.
        feature: Its feature.
        measure: TFDV's name of the measure; `JENSEN_SHANNON_DIVERGENCE` where the curated schema asks for no other.
        value: What was measured.
        limit: Above which it is too much; None only measures.
        curated: The limit is the curated schema's own.
        patches: Patches in the smaller of the two, without overlap where it is skew; few make a divergence by chance.
    """

    kind: Literal["skew", "drift"]
    split: str
    feature: str
    measure: str
    value: float
    limit: float | None
    curated: bool
    patches: int

    @property
    def is_above(self) -> bool:
        """Whether there is a limit, and more was measured."""
        return self.limit is not None and self.value > self.limit


def scalar_features(class_names: Sequence[str], band_names: Sequence[str]) -> list[str]:
    """The record features that statistics are made of: no image bytes, no ids, no places."""
    return [
        patch_example.VOID_SHARE,
        patch_example.NODATA_SHARE,
        *(f"{patch_example.CLASS_FRACTION}/{name}" for name in class_names),
        *(f"{kind}/{band}" for kind in (patch_example.BAND_MEAN, patch_example.BAND_STDDEV) for band in band_names),
    ]


def measure_skew(
    train: Statistics, other: Statistics, split: str, schema: schema_pb2.Schema, max_skew: float, patches: int
) -> list[Divergence]:
    """How far a split's bands are from the training split's.

    Class shares are left out unless the schema gives them a `skew_comparator`: a held-out tile may well have other
    shares of land cover.

    Args:
        train: Statistics of the training split.
        other: Statistics of the other split's comparable patches (`components.data_statistics.comparable`).
        split: The other split's name.
        schema: The schema; not changed. Its own comparators come before `max_skew`.
        max_skew: The largest Jensen-Shannon divergence allowed, 0 to 1.
        patches: How many the smaller of the two stands for.
    """
    compared = schema_pb2.Schema()
    compared.CopyFrom(schema)
    curated = set()
    for feature in compared.feature:
        if feature.HasField("skew_comparator"):
            curated.add(feature.name)
        elif feature.name.startswith((f"{patch_example.BAND_MEAN}/", f"{patch_example.BAND_STDDEV}/")):
            feature.skew_comparator.jensen_shannon_divergence.threshold = max_skew
    found = tfdv.validate_statistics(train, compared, serving_statistics=other)
    return [
        Divergence("skew", split, name, measure, value, threshold, name in curated, patches)
        for name, measure, value, threshold in _measurements(found, "skew_measurements")
    ]


def measure_drift(
    current: Statistics, previous: Statistics, split: str, schema: schema_pb2.Schema, max_drift: float | None
) -> list[Divergence]:
    """How far every feature of a split is from what it was in the last run.

    A feature that the last run did not have (a new class, a new band) is not compared.

    Args:
        current: Statistics of the split.
        previous: Statistics of the same split in the last run.
        split: Its name.
        schema: The schema; not changed. Its own comparators come before `max_drift`.
        max_drift: The largest Jensen-Shannon divergence allowed, 0 to 1; None only measures.
    """
    compared = schema_pb2.Schema()
    compared.CopyFrom(schema)
    curated = {feature.name for feature in compared.feature if feature.HasField("drift_comparator")}
    for feature in compared.feature:
        if feature.name not in curated:
            # TFDV measures only what has a threshold; 1 is the largest divergence there is.
            feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0 if max_drift is None else max_drift
    found = tfdv.validate_statistics(current, compared, previous_statistics=previous)
    patches = min(patch_count(current), patch_count(previous))
    return [
        Divergence(
            "drift", split, name, measure, value, threshold if name in curated else max_drift, name in curated, patches
        )
        for name, measure, value, threshold in _measurements(found, "drift_measurements")
    ]


def _measurements(
    found: anomalies_pb2.Anomalies, field: Literal["skew_measurements", "drift_measurements"]
) -> list[tuple[str, str, float, float]]:
    return sorted(
        (".".join(info.path.step), measured.Type.Name(measured.type), _rounded(measured.value), measured.threshold)
        for info in found.drift_skew_info
        for measured in getattr(info, field)
    )


def _rounded(value: float) -> float:
    """Without the rounding of TFDV's sums, which make disjoint histograms diverge by 1 + 2e-16, above a limit of 1."""
    return 1.0 if 1 < value < 1 + 1e-9 else value


def patch_count(statistics: Statistics) -> int:
    """How many records a split has."""
    return max((int(dataset.num_examples) for dataset in statistics.datasets), default=0)


def feature_names(statistics: Statistics) -> list[str]:
    """The features that there are statistics of."""
    return [".".join(feature.path.step) for dataset in statistics.datasets for feature in dataset.features]


def largest_value(statistics: Statistics, name: str) -> float:
    """The largest value of a numeric feature; minus infinity where there is no such feature."""
    found = [
        feature.num_stats.max
        for dataset in statistics.datasets
        for feature in dataset.features
        if ".".join(feature.path.step) == name and feature.num_stats.common_stats.num_non_missing
    ]
    return max(found, default=float("-inf"))


def read_anomalies(anomalies: anomalies_pb2.Anomalies, split: str) -> list[Anomaly]:
    """TFDV's anomalies, by feature."""
    found = [
        Anomaly(split, feature, reason.description or reason.short_description)
        for feature, info in sorted(anomalies.anomaly_info.items())
        for reason in info.reason
    ]
    if anomalies.HasField("dataset_anomaly_info"):
        found.append(Anomaly(split, "", anomalies.dataset_anomaly_info.description))
    return found


def has_statistics(uri: str, split: str) -> bool:
    """Whether an `ExampleStatistics` artifact still has the file of a split."""
    load_file_system(uri)
    return bool(tf.io.gfile.exists(_file(uri, split, STATISTICS_FILE)))


def load_statistics(uri: str, split: str) -> Statistics:
    """The statistics of one split in an `ExampleStatistics` artifact."""
    load_file_system(uri)
    return tfdv.load_stats_binary(_file(uri, split, STATISTICS_FILE))


def load_anomalies(uri: str, split: str) -> anomalies_pb2.Anomalies:
    """The anomalies of one split in an `ExampleAnomalies` artifact."""
    load_file_system(uri)
    anomalies = anomalies_pb2.Anomalies()
    with tf.io.gfile.GFile(_file(uri, split, ANOMALIES_FILE), "rb") as file:
        anomalies.ParseFromString(file.read())
    return anomalies


def _file(uri: str, split: str, name: str) -> str:
    return f"{uri.rstrip('/')}/Split-{split}/{name}"
