"""Which artifacts each artifact was made of, as ML Metadata recorded it."""

from collections.abc import Iterable
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from tfx_pipeline.metadata_place import MetadataPlace, open_metadata

_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


def parents_of(metadata: MetadataPlace | Path, artifacts: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """For each artifact the artifacts that went into the step that made it, ascending; none where that is not known.

    Args:
        metadata: Where runs are recorded, a path is a SQLite file; nothing is known where it is not there.
        artifacts: Ids.
    """
    wanted = sorted(set(artifacts))
    if not wanted or not (metadata.is_file() if isinstance(metadata, Path) else metadata.is_there):
        return dict.fromkeys(wanted, ())
    store = open_metadata(metadata)
    made_by: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(wanted):
        if event.type in _OUTPUTS:
            # A step that reuses an artifact records it as its output again: the first one made it.
            made_by[event.artifact_id] = min(event.execution_id, made_by.get(event.artifact_id, event.execution_id))
    inputs: dict[int, set[int]] = {}
    if made_by:
        for event in store.get_events_by_execution_ids(sorted(set(made_by.values()))):
            if event.type in _INPUTS:
                inputs.setdefault(event.execution_id, set()).add(event.artifact_id)
    return {artifact: tuple(sorted(inputs.get(made_by.get(artifact, -1), ()))) for artifact in wanted}
