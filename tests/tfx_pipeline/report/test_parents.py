"""Parents of artifacts, from a real metadata store."""

from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tfx_pipeline.report.parents import parents_of


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    """Data -> model by one step, model -> version by another; a later run reuses the first step."""
    path = tmp_path / "metadata.sqlite"
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = str(path)
    store = metadata_store.MetadataStore(connection)
    kind = store.put_artifact_type(mlmd.ArtifactType(name="Thing"))
    step = store.put_execution_type(mlmd.ExecutionType(name="Step"))
    data, schema, model, version = store.put_artifacts([mlmd.Artifact(type_id=kind) for _ in range(4)])
    training, pushing, again = store.put_executions([mlmd.Execution(type_id=step) for _ in range(3)])
    inputs, outputs = mlmd.Event.INPUT, mlmd.Event.OUTPUT
    events = [
        (training, data, inputs), (training, schema, inputs), (training, model, outputs),
        (pushing, model, inputs), (pushing, version, outputs), (again, model, outputs),
    ]  # fmt: skip
    store.put_events([mlmd.Event(execution_id=e, artifact_id=a, type=kind) for e, a, kind in events])
    assert (data, schema, model, version) == (1, 2, 3, 4)
    return path


def test_the_step_that_made_an_artifact_names_its_parents(metadata: Path) -> None:
    assert parents_of(metadata, [4, 3, 1]) == {1: (), 3: (1, 2), 4: (3,)}


def test_without_metadata_no_parents_are_known(tmp_path: Path) -> None:
    assert parents_of(tmp_path / "none.sqlite", [7]) == {7: ()}
    assert not list(tmp_path.iterdir())
