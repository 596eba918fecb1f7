"""A step that stands in for TileExampleGen, StatisticsGen and ExampleValidator: statistics of a normal distribution."""

from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.types import artifact_utils

from components.data_statistics.curated_schema import SCHEMA_FILE
from components.data_statistics.skew import ANOMALIES_FILE, STATISTICS_FILE
from tests.components.data_statistics.make_statistics import BAND, normal, statistics_of


@tfx.dsl.components.component
def NormalStatistics(
    examples: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    statistics: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    anomalies: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    mean: tfx.dsl.components.Parameter[float],
) -> None:
    """One split, `train`, of one band with this mean; nothing anomalous."""
    Path(examples.uri).mkdir(parents=True, exist_ok=True)  # the gate has no need to read records
    of_split = statistics_of({BAND: normal(mean)})
    for artifact, name, content in (
        (statistics, STATISTICS_FILE, of_split.SerializeToString()),
        (anomalies, ANOMALIES_FILE, b""),
    ):
        artifact.split_names = artifact_utils.encode_split_names(["train"])
        folder = Path(artifact.uri) / "Split-train"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
    Path(schema.uri).mkdir(parents=True, exist_ok=True)
    tfdv.write_schema_text(tfdv.infer_schema(of_split), str(Path(schema.uri) / SCHEMA_FILE))
