"""What a run left in ML Metadata: each step's outputs, and whether the step was reused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.errors import MissingFileError
from tfx_pipeline.metadata_place import MetadataPlace, open_metadata, pipeline_context

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


def read_latest_run(metadata: MetadataPlace | Path) -> RunRecord:
    """The latest recorded run.

    Args:
        metadata: Of the pipeline whose run is wanted; a path is a SQLite file, whichever pipeline's runs it has.

    Raises:
        MissingFileError: If there is no such file or no run in it.
        MetadataError: If the database cannot be opened.
    """
    store = open_metadata(metadata)
    runs = _runs(store, metadata)
    if not runs:
        shown = metadata if isinstance(metadata, Path) else metadata.shown
        whose = "" if isinstance(metadata, Path) else f" of the pipeline {metadata.pipeline}"
        raise MissingFileError(
            f"{shown} records no run{whose}",
            "the metadata of a run",
            "give the --workdir of a run, or run `eoseg run` first",
        )
    run = max(runs, key=lambda context: context.id)
    steps = {}
    for execution in sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id):
        if execution.last_known_state in _FINISHED:
            reused = execution.last_known_state == metadata_store_pb2.Execution.CACHED
            steps[execution.type.rpartition(".")[2]] = Step(_outputs(store, execution.id), reused)
    return RunRecord(run.name, steps)


def _runs(store: metadata_store.MetadataStore, metadata: MetadataPlace | Path) -> list[metadata_store_pb2.Context]:
    if isinstance(metadata, Path):
        return list(store.get_contexts_by_type(RUN_CONTEXT))
    pipeline = pipeline_context(store, metadata)
    if pipeline is None:
        return []
    kind = store.get_context_type(RUN_CONTEXT).id
    children = store.get_children_contexts_by_context(pipeline.id)
    return [child for child in children if child.type_id == kind and child.name.endswith(metadata.mark)]


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
