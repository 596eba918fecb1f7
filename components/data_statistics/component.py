"""The TFX components around the statistics: AnomalyGate, the curated schema, and the last run's statistics."""

import os
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple

import ml_metadata as mlmd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.data_statistics.comparable import comparable_splits, split_files
from components.data_statistics.curated_schema import INFERRED_SCHEMA_FILE, SCHEMA_FILE, environment_of
from components.data_statistics.options import StatisticsOptions
from components.data_statistics.skew import (
    Anomaly,
    Statistics,
    has_statistics,
    load_anomalies,
    load_statistics,
    read_anomalies,
)
from components.data_statistics.verdict import error_of, judge
from components.file_systems import load_file_system
from components.geo.patches import PatchOptions

VERDICT_FILE = "anomalies.txt"
VERDICT_JSON = "statistics.json"

STATISTICS = "statistics"
VERDICT = "verdict"
PREVIOUS_STATISTICS = "previous_statistics"


class DataVerdict(Artifact):
    """That the statistics are sound; what comes later takes it as an input, so that it waits."""

    # One word, a dot, one word: the only form that the Kubeflow compiler takes.
    TYPE_NAME = "eoseg.DataVerdict"


@tfx.dsl.components.component
def AnomalyGate(
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    verdict: tfx.dsl.components.OutputArtifact[DataVerdict],
    options: tfx.dsl.components.Parameter[str],
    patches: tfx.dsl.components.Parameter[str],
    report_copy: tfx.dsl.components.Parameter[str],
    previous_statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics] = None,
) -> None:
    """Stops the run at an anomaly, at splits skewed against each other, and at drift against the last run.

    ExampleValidator knows no environments: a split that has one in the schema is judged anew here, any other by what
    ExampleValidator found.

    Args:
        examples: The records. Only where training's patches were chosen by a rule of their own, those of the splits
            that are held against them are read.
        statistics: StatisticsGen's.
        schema: The schema, inferred or curated.
        anomalies: ExampleValidator's.
        verdict: What was found and measured, as `anomalies.txt` and `statistics.json`.
        options: `StatisticsOptions` as JSON.
        patches: `PatchOptions` as JSON.
        report_copy: A folder that gets a copy of the verdict even where it stops the run (TFX drops the output of a
            step that fails), and the inferred schema, to be curated.
        previous_statistics: The last run's; none in a first run.

    Raises:
        DataError: If the run must not go on.
    """
    limits = StatisticsOptions.model_validate_json(options)
    load_file_system(schema.uri)
    features = tfdv.load_schema_text(f"{schema.uri}/{SCHEMA_FILE}")
    splits = artifact_utils.decode_split_names(anomalies.split_names)
    current = {split: load_statistics(statistics.uri, split) for split in splits}
    previous = {}
    if previous_statistics is not None:
        uri = previous_statistics.uri
        previous = {split: load_statistics(uri, split) for split in splits if has_statistics(uri, split)}
    environments = {split: environment_of(split, features) for split in splits}
    found = _anomalies(current, features, environments, anomalies.uri)
    cutting = PatchOptions.model_validate_json(patches)
    held_out = comparable_splits(current, cutting, lambda split: split_files(examples.uri, split))
    result = judge(current, held_out, previous, found, environments, features, limits)

    copy = Path(report_copy)
    for folder in (verdict.uri, report_copy):
        _write(folder, VERDICT_FILE, result.as_text())
        _write(folder, VERDICT_JSON, result.as_json())
    if limits.schema_file is None:
        with tf.io.gfile.GFile(f"{schema.uri}/{SCHEMA_FILE}") as file:
            _write(report_copy, INFERRED_SCHEMA_FILE, file.read())
    if result.stops:
        judged_by = limits.schema_file or str(copy / INFERRED_SCHEMA_FILE)
        raise error_of(result, str(copy / VERDICT_JSON), judged_by)


def _anomalies(
    statistics: Mapping[str, Statistics],
    schema: schema_pb2.Schema,
    environments: Mapping[str, Optional[str]],
    validated_uri: str,
) -> Tuple[Anomaly, ...]:
    found: List[Anomaly] = []
    for split, of_split in statistics.items():
        environment = environments[split]
        if environment is None:
            found += read_anomalies(load_anomalies(validated_uri, split), split)
        else:
            found += read_anomalies(tfdv.validate_statistics(of_split, schema, environment=environment), split)
    return tuple(found)


def _write(folder: str, name: str, text: str) -> None:
    tf.io.gfile.makedirs(folder)
    part = f"{folder}/.{name}.{os.getpid()}.part"
    with tf.io.gfile.GFile(part, "w") as file:
        file.write(text)
    tf.io.gfile.rename(part, f"{folder}/{name}", overwrite=True)


@tfx.dsl.components.component
def ImportSchema(
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    text: tfx.dsl.components.Parameter[str],
) -> None:
    """Brings a curated schema into the pipeline by its content.

    TFX's own ImportSchemaGen takes a path: TFX would reuse it after the file was edited.

    Args:
        schema: Where it goes.
        text: What `components.data_statistics.curated_schema.read_schema_file` gave.
    """
    load_file_system(schema.uri)
    _write(schema.uri, SCHEMA_FILE, text)


class LastAcceptedStatistics(tfx.dsl.experimental.ResolverStrategy):
    """The statistics that AnomalyGate accepted last, if they are others than this run's.

    Statistics that were refused are no measure: a rerun would compare refused data with themselves and let them pass.
    Data that are the last accepted ones have not drifted, and have nothing to be compared with; a run on unchanged
    data so has the inputs of the first run, and is reused.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: Dict[str, List[Artifact]]
    ) -> Optional[Dict[str, List[Artifact]]]:
        """Channels `statistics` (this run's), `verdict` and `previous_statistics` (all) in; the last one resolved."""
        current = {artifact.id for artifact in input_dict.get(STATISTICS, [])}
        existing = {artifact.id: artifact for artifact in input_dict.get(PREVIOUS_STATISTICS, [])}
        last = next(
            (
                existing[statistics]
                for statistics in _accepted(store, [verdict.id for verdict in input_dict.get(VERDICT, [])])
                # the files of a run may have been removed by hand, its metadata not
                if statistics in existing and has_statistics(existing[statistics].uri, "train")
            ),
            None,
        )
        previous = [] if last is None or last.id in current else [last]
        return {STATISTICS: input_dict.get(STATISTICS, []), VERDICT: [], PREVIOUS_STATISTICS: previous}


def _accepted(store: mlmd.MetadataStore, verdicts: List[int]) -> List[int]:
    """Ids of the statistics that a verdict was given on, the latest run first, reused verdicts included."""
    if not verdicts:
        return []
    event = metadata_store_pb2.Event
    gates = {e.execution_id for e in store.get_events_by_artifact_ids(verdicts) if e.type == event.OUTPUT}
    finished = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)
    order = [e.id for e in store.get_executions_by_id(sorted(gates)) if e.last_known_state in finished]
    taken = {
        e.execution_id: e.artifact_id
        for e in store.get_events_by_execution_ids(order)
        if e.type == event.INPUT and e.path.steps and e.path.steps[0].key == STATISTICS
    }
    return [taken[execution] for execution in sorted(order, reverse=True) if execution in taken]
