"""Findings as TensorFlow Data Validation's anomalies, for tools that read those of ExampleValidator."""

from collections.abc import Collection, Mapping, Sequence

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.label_validation.findings import Finding

ANOMALIES_FILE = "SchemaDiff.pb"
_SEVERITIES = {
    "error": anomalies_pb2.AnomalyInfo.ERROR,
    "warning": anomalies_pb2.AnomalyInfo.WARNING,
}


def as_anomalies(
    findings: Sequence[Finding], splits_of: Mapping[str, Collection[str]], split: str
) -> anomalies_pb2.Anomalies:
    """The errors and warnings that concern a split.

    A finding of the data set as a whole stands in every split, one of a tile in ground blocks in every split that has
    one of them. Features are named `tile/code`, or `code` alone.

    Args:
        findings: After the budgets.
        splits_of: Tile id -> its splits.
        split: The split.
    """
    anomalies = anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)
    for finding in findings:
        severity = _SEVERITIES.get(finding.severity)
        if severity is None or (finding.tile and split not in splits_of.get(finding.tile, ())):
            continue
        name = f"{finding.tile}/{finding.code}" if finding.tile else finding.code
        info = anomalies.anomaly_info[name]
        # One entry a tile and code; each finding is one of its reasons.
        info.severity = max(info.severity, severity)
        info.path.step[:] = [name]
        info.short_description = finding.code
        place = f" ({finding.place})" if finding.place else ""
        text = f"{finding.found}{place}; expected {finding.expected}; to fix: {finding.remedy}"
        info.description = f"{info.description}\n{text}".lstrip()
        info.reason.add(short_description=finding.code, description=text)
    return anomalies
