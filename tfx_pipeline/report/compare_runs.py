"""Which run pushed a version, and what that run's steps made, as ML Metadata recorded it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from tfx_pipeline.metadata_place import MetadataPlace, open_metadata, pipeline_context
from tfx_pipeline.run_record import RUN_CONTEXT

Metadata = MetadataPlace | Path
"""Of one pipeline, in a file or in a team's database; a path is a SQLite file, whichever pipeline's runs it has."""

PUSHED_VERSION = "pushed_version"
PUSHED_DESTINATION = "pushed_destination"

_REUSED = metadata_store_pb2.Execution.CACHED
_FINISHED = (metadata_store_pb2.Execution.COMPLETE, _REUSED)


@dataclass(frozen=True)
class PushingRun:
    """The run that pushed a version.

    Attributes:
        name: TFX's id of the run.
        destination: The version's folder, where it was pushed to.
        uris: Of each output of each step, by component name and key: `("Evaluator", "evaluation")`.
    """

    name: str
    destination: Path
    uris: Mapping[tuple[str, str], str]


def find_pushing_run(metadata: Metadata, version_folder: Path) -> PushingRun | None:
    """The run that pushed a version; None where the metadata is not there or knows nothing of it.

    A folder that was moved is known by its last two names, the model's and the version's.

    Args:
        metadata: Where runs are recorded.
        version_folder: `MODEL_BASE/<name>/<version>`.

    Raises:
        EosegError: If the metadata is there and cannot be opened.
    """
    if not _is_there(metadata):
        return None
    store = open_metadata(metadata)
    pushed, wanted = _pushed(store, metadata), version_folder.absolute()
    same_place = [a for a in pushed if _destination(a) == wanted]
    same_names = [a for a in pushed if _destination(a).parts[-2:] == wanted.parts[-2:]]
    found = same_place or same_names
    return _run_of(store, found[-1]) if found else None


def find_latest_push(metadata: Metadata) -> PushingRun | None:
    """The run that pushed the latest version; None where nothing was pushed.

    Raises:
        EosegError: If the metadata is there and cannot be opened.
    """
    if not _is_there(metadata):
        return None
    store = open_metadata(metadata)
    pushed = _pushed(store, metadata)
    return _run_of(store, pushed[-1]) if pushed else None


def _is_there(metadata: Metadata) -> bool:
    return metadata.is_file() if isinstance(metadata, Path) else metadata.is_there


def _pushed(store: metadata_store.MetadataStore, metadata: Metadata) -> list[metadata_store_pb2.Artifact]:
    """Artifacts of versions that were really pushed, oldest first."""
    found = store.get_artifacts_by_type("PushedModel")
    if not isinstance(metadata, Path):
        context = pipeline_context(store, metadata)
        own = set() if context is None else {artifact.id for artifact in store.get_artifacts_by_context(context.id)}
        found = [artifact for artifact in found if artifact.id in own]
    return sorted((a for a in found if PUSHED_VERSION in a.custom_properties), key=lambda artifact: artifact.id)


def _destination(artifact: metadata_store_pb2.Artifact) -> Path:
    return Path(artifact.custom_properties[PUSHED_DESTINATION].string_value)


def _run_of(store: metadata_store.MetadataStore, artifact: metadata_store_pb2.Artifact) -> PushingRun | None:
    # A later run that reuses the step has the artifact as its output, too; the first one pushed it.
    made_by = [e.execution_id for e in store.get_events_by_artifact_ids([artifact.id]) if e.type in _OUTPUT]
    runs = {context.id: context.name for context in store.get_contexts_by_type(RUN_CONTEXT)}
    for execution in sorted(made_by):
        of_execution = [c.id for c in store.get_contexts_by_execution(execution) if c.id in runs]
        if of_execution:
            run = min(of_execution)
            return PushingRun(runs[run], _destination(artifact), _uris(store, run))
    return None


_OUTPUT = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


def _uris(store: metadata_store.MetadataStore, run: int) -> dict[tuple[str, str], str]:
    steps = {
        execution.id: execution.type.rpartition(".")[2]
        for execution in store.get_executions_by_context(run)
        if execution.last_known_state in _FINISHED
    }
    places = {
        event.artifact_id: (steps[event.execution_id], event.path.steps[0].key)
        for event in (store.get_events_by_execution_ids(list(steps)) if steps else ())
        if event.type in _OUTPUT and event.path.steps
    }
    return {places[artifact.id]: artifact.uri for artifact in store.get_artifacts_by_id(list(places))}
