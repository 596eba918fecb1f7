"""Which artifacts each artifact was made of, as ML Metadata recorded it."""

from collections.abc import Iterable
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)


def parents_of(metadata: Path, artifacts: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """For each artifact the artifacts that went into the step that made it, ascending; none where that is not known.

    Args:
        metadata: The SQLite file; nothing is known where it is not there.
        artifacts: Ids.
    """
    wanted = sorted(set(artifacts))
    if not wanted or not metadata.is_file():
        return dict.fromkeys(wanted, ())
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    store = metadata_store.MetadataStore(connection)
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
