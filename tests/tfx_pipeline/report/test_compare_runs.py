"""A version is traced to the run that pushed it, through a real ML Metadata store."""

from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from components.errors import MissingFileError
from tfx_pipeline.report.compare_places import METADATA, VersionPlaces, find_version
from tfx_pipeline.report.compare_runs import find_latest_push, find_pushing_run

from .make_versions import make_version

RIGHT = {"a": 60, "b": 70}


class Store:
    """Runs as TFX records them: an execution a step, in the context of its run."""

    def __init__(self, path: Path) -> None:
        connection = proto.ConnectionConfig()
        connection.sqlite.filename_uri = str(path)
        self.store = metadata_store.MetadataStore(connection)
        self.run_type = self.store.put_context_type(proto.ContextType(name="pipeline_run"))
        self.artifact_types = {
            name: self.store.put_artifact_type(proto.ArtifactType(name=name)) for name in ("PushedModel", "Evaluation")
        }

    def artifact(self, kind: str, uri: str, **texts: str) -> int:
        made = proto.Artifact(type_id=self.artifact_types[kind], uri=uri)
        for name, text in texts.items():
            made.custom_properties[name].string_value = text
        (number,) = self.store.put_artifacts([made])
        return number

    def run(self, name: str, steps: dict[str, tuple[str, int]], *, reused: bool = False) -> None:
        """Steps by TFX's type name, each with its output's key and artifact."""
        (run,) = self.store.put_contexts([proto.Context(type_id=self.run_type, name=name)])
        for step, (key, artifact) in steps.items():
            kind = self.store.put_execution_type(proto.ExecutionType(name=step))
            state = proto.Execution.CACHED if reused else proto.Execution.COMPLETE
            (execution,) = self.store.put_executions([proto.Execution(type_id=kind, last_known_state=state)])
            event = proto.Event(artifact_id=artifact, execution_id=execution, type=proto.Event.OUTPUT)
            event.path.steps.add().key = key
            event.path.steps.add().index = 0
            self.store.put_events([event])
            self.store.put_attributions_and_associations(
                [], [proto.Association(execution_id=execution, context_id=run)]
            )


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """Version 41 of run one, 42 of run two; run three only reused what run two made."""
    workdir = tmp_path / "work"
    store = None
    for number, name in ((41, "one"), (42, "two")):
        folder = make_version(workdir / "served" / "net" / str(number), RIGHT)
        store = store or Store(workdir / METADATA)
        evaluation = store.artifact("Evaluation", f"evaluation-{name}")
        pushed = store.artifact("PushedModel", "p", pushed_version=str(number), pushed_destination=str(folder))
        steps = {"tfx.Evaluator": ("evaluation", evaluation), "VersionPusher": ("pushed_model", pushed)}
        store.run(name, steps)
    assert store is not None
    store.run("three", steps, reused=True)
    store.run("refused", {"VersionPusher": ("pushed_model", store.artifact("PushedModel", "p"))})
    return workdir


def test_the_run_that_pushed_is_found_with_what_its_steps_made(workdir: Path) -> None:
    run = find_pushing_run(workdir / METADATA, workdir / "served" / "net" / "42")
    assert run is not None
    assert run.name == "two"
    assert run.uris["Evaluator", "evaluation"] == "evaluation-two"
    latest = find_latest_push(workdir / METADATA)
    assert latest is not None
    assert latest.destination.name == "42", "a refused run pushed nothing"
    assert find_pushing_run(workdir / METADATA, workdir / "served" / "net" / "43") is None
    assert find_pushing_run(workdir / "none.sqlite", workdir / "served" / "net" / "42") is None


def test_a_working_directory_that_was_moved_still_knows_its_versions(workdir: Path) -> None:
    moved = workdir.rename(workdir.with_name("moved"))
    folder, run = find_version(str(moved), VersionPlaces())
    assert folder == moved / "served" / "net" / "42"
    assert run is not None
    folder, run = find_version(str(moved / "served" / "net" / "41"), VersionPlaces())
    assert run is not None
    assert run.name == "one"


def test_numbers_are_looked_up_in_the_served_folder(workdir: Path) -> None:
    places = VersionPlaces(workdir / "served" / "net", workdir / METADATA)
    folder, run = find_version("41", places)
    assert folder.name == "41"
    assert run is not None
    with pytest.raises(MissingFileError, match="one of its versions: 41, 42"):
        find_version("7", places)
    with pytest.raises(MissingFileError, match="which model's"):
        find_version("41", VersionPlaces())
    with pytest.raises(MissingFileError, match="is no pushed version"):
        find_version(str(workdir / "served"), places)
