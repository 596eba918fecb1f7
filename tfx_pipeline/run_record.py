"""What a run left in ML Metadata: each step's outputs, and whether the step was reused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.errors import MissingFileError

RUN_CONTEXT = "pipeline_run"


@dataclass(frozen=True)
class OutputArtifact:
    """One output of one step.

    Attributes:
        id: In ML Metadata.
        uri: Where its files are.
        properties: All properties, TFX's own and custom ones.
        created: Milliseconds since 1970 at which the artifact was made.
    """

    id: int
    uri: str
    properties: Mapping[str, Any]
    created: int


@dataclass(frozen=True)
class Step:
    """One step of a run: its outputs by key, and whether an earlier run's were reused."""

    outputs: Mapping[str, OutputArtifact]
    reused: bool


@dataclass(frozen=True)
class RunRecord:
    """One run of the pipeline.

    Attributes:
        name: TFX's id of the run (its start).
        steps: By component name (`Trainer`); a step that did not finish is missing.
    """

    name: str
    steps: Mapping[str, Step]

    def output(self, step: str, key: str) -> OutputArtifact | None:
        """One output, or None where the run did not get so far."""
        return self.steps[step].outputs.get(key) if step in self.steps else None


def read_latest_run(metadata: Path) -> RunRecord:
    """The latest run recorded in a SQLite metadata file.

    Raises:
        MissingFileError: If there is no such file or no run in it.
    """
    remedy = "give the --workdir of a run, or run `eoseg run` first"
    if not metadata.is_file():
        raise MissingFileError(f"{metadata} does not exist", "the metadata of a run", remedy)
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    store = metadata_store.MetadataStore(connection)
    runs = store.get_contexts_by_type(RUN_CONTEXT)
    if not runs:
        raise MissingFileError(f"{metadata} records no run", "the metadata of a run", remedy)
    run = max(runs, key=lambda context: context.id)
    steps = {}
    for execution in sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id):
        if execution.last_known_state in _FINISHED:
            reused = execution.last_known_state == metadata_store_pb2.Execution.CACHED
            steps[execution.type.rpartition(".")[2]] = Step(_outputs(store, execution.id), reused)
    return RunRecord(run.name, steps)


_FINISHED = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)


def _outputs(store: metadata_store.MetadataStore, execution_id: int) -> dict[str, OutputArtifact]:
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps
    }
    artifacts = store.get_artifacts_by_id(list(keys))
    return {
        keys[artifact.id]: OutputArtifact(
            artifact.id, artifact.uri, _properties(artifact), artifact.create_time_since_epoch
        )
        for artifact in artifacts
    }


def _properties(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    found = {}
    for properties in (artifact.properties, artifact.custom_properties):
        for name, value in properties.items():
            kind = value.WhichOneof("value")
            found[name] = getattr(value, kind) if kind else None
    return found
