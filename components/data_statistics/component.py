"""AnomalyGate: the TFX component that lets no run go on with anomalous statistics."""

from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.data_statistics.skew import find_skew, load_anomalies, load_statistics, read_anomalies
from components.errors import DataError

VERDICT_FILE = "anomalies.txt"


class DataVerdict(Artifact):
    """That the statistics are sound; what comes later takes it as an input, so that it waits."""

    # One word, a dot, one word: the only form that the Kubeflow compiler takes.
    TYPE_NAME = "eoseg.DataVerdict"


@tfx.dsl.components.component
def AnomalyGate(
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    verdict: tfx.dsl.components.OutputArtifact[DataVerdict],
    max_skew: tfx.dsl.components.Parameter[float],
) -> None:
    """Stops the run where ExampleValidator found an anomaly, or the splits' bands are skewed against each other.

    Args:
        statistics: StatisticsGen's.
        schema: The schema, inferred or imported.
        anomalies: ExampleValidator's.
        verdict: Says that nothing was found.
        max_skew: `StatisticsOptions.max_skew`.

    Raises:
        DataError: If there is an anomaly.
    """
    features = tfdv.load_schema_text(str(Path(schema.uri) / "schema.pbtxt"))
    splits = artifact_utils.decode_split_names(anomalies.split_names)
    found = [a for split in splits for a in read_anomalies(load_anomalies(anomalies.uri, split), split)]
    train = load_statistics(statistics.uri, "train")
    for split in splits:
        if split != "train":
            found += find_skew(train, load_statistics(statistics.uri, split), split, features, max_skew)
    if found:
        listing = "\n".join(f"split {a.split}, feature {a.feature}: {a.found}" for a in found)
        raise DataError(
            f"the statistics of the records have {len(found)} anomaly(ies):\n{listing}",
            "features as the schema says, and splits whose bands look alike",
            "check the tiles of that split (sensor, band order, damage), import a curated schema "
            "(statistics.schema_file), or raise statistics.max_skew",
        )
    folder = Path(verdict.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VERDICT_FILE).write_text("no anomalies\n")
