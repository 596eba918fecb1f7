"""Anomalies of the records' statistics, by TensorFlow Data Validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.records import patch_example

STATISTICS_FILE = "FeatureStats.pb"
ANOMALIES_FILE = "SchemaDiff.pb"


@dataclass(frozen=True)
class Anomaly:
    """One anomaly: in which split, of which feature, and TFDV's own words."""

    split: str
    feature: str
    found: str


def scalar_features(class_names: Sequence[str], band_names: Sequence[str]) -> list[str]:
    """The record features that statistics are made of: no image bytes, no ids, no places."""
    return [
        patch_example.VOID_SHARE,
        patch_example.NODATA_SHARE,
        *(f"{patch_example.CLASS_FRACTION}/{name}" for name in class_names),
        *(f"{kind}/{band}" for kind in (patch_example.BAND_MEAN, patch_example.BAND_STDDEV) for band in band_names),
    ]


def find_skew(
    train: statistics_pb2.DatasetFeatureStatisticsList,
    other: statistics_pb2.DatasetFeatureStatisticsList,
    split: str,
    schema: schema_pb2.Schema,
    max_skew: float,
) -> list[Anomaly]:
    """Band features whose distribution differs between the training split and another one.

    Class shares are left out: a held-out tile may well have other shares of land cover.

    Args:
        train: Statistics of the training split.
        other: Statistics of the other split.
        split: The other split's name, for the anomaly.
        schema: The schema; not changed.
        max_skew: The largest Jensen-Shannon divergence allowed, 0 to 1.
    """
    with_comparators = schema_pb2.Schema()
    with_comparators.CopyFrom(schema)
    for feature in with_comparators.feature:
        if feature.name.startswith((patch_example.BAND_MEAN, patch_example.BAND_STDDEV)):
            feature.skew_comparator.jensen_shannon_divergence.threshold = max_skew
    found = tfdv.validate_statistics(train, with_comparators, serving_statistics=other)
    return read_anomalies(found, split, only=anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH)


def read_anomalies(anomalies: anomalies_pb2.Anomalies, split: str, only: int | None = None) -> list[Anomaly]:
    """TFDV's anomalies, by feature; `only` keeps one type of reason."""
    found = []
    for feature, info in sorted(anomalies.anomaly_info.items()):
        reasons = [reason for reason in info.reason if only is None or reason.type == only]
        found += [Anomaly(split, feature, reason.description or reason.short_description) for reason in reasons]
    if anomalies.HasField("dataset_anomaly_info") and only is None:
        found.append(Anomaly(split, "", anomalies.dataset_anomaly_info.description))
    return found


def load_statistics(uri: str, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of one split in an `ExampleStatistics` artifact."""
    return tfdv.load_stats_binary(str(Path(uri) / f"Split-{split}" / STATISTICS_FILE))


def load_anomalies(uri: str, split: str) -> anomalies_pb2.Anomalies:
    """The anomalies of one split in an `ExampleAnomalies` artifact."""
    anomalies = anomalies_pb2.Anomalies()
    anomalies.ParseFromString((Path(uri) / f"Split-{split}" / ANOMALIES_FILE).read_bytes())
    return anomalies
