"""ML Metadata of runs, made by hand with the names and shapes that TFX gives them: tiles, records, model, version."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.tile_source import TileList, TileSource

_STEPS = {
    "TileExampleGen": "components.records.component.TileExampleGen",
    "Trainer": "tfx.components.trainer.component.Trainer",
    "Evaluator": "tfx.components.evaluator.component.Evaluator",
    "VersionPusher": "components.publishing.component.VersionPusher",
}


class MadeMetadata:
    """A SQLite metadata file that runs are written into."""

    def __init__(self, path: Path) -> None:
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(path)
        self.store = self._store = metadata_store.MetadataStore(connection)

    def record(
        self,
        version_folder: Path,
        tiles: Sequence[TileSource],
        run: str = "2026-01-01T00:00:00.000000",
        steps: int = 10,
        *,
        pushed: bool = True,
        pipeline: str = "made",
    ) -> None:
        """A run that ends with a version; the folder need not be there."""
        context = [self._context(run), self._context(pipeline, "pipeline")]
        fingerprint = f"files of {len(tiles)} tiles"
        records = self._step(
            context,
            "TileExampleGen",
            {},
            {"examples": ("Examples", "/artifacts/examples", {})},
            {"tiles": TileList(tiles=tuple(tiles)).model_dump_json(), "fingerprint": fingerprint},
        )
        model = self._step(
            context,
            "Trainer",
            records,
            {"model": ("Model", "/artifacts/model", {}), "model_run": ("ModelRun", "/artifacts/model_run", {})},
            {"custom_config": json.dumps({"training": {"steps": steps}})},
        )
        blessing = self._step(
            context,
            "Evaluator",
            {**records, "model": model["model"]},
            {"blessing": ("ModelBlessing", "/artifacts/blessing", {"blessed": 1})},
            {"example_splits": '["test"]'},
        )
        known: dict[str, Any] = {"pushed": int(pushed)}
        if pushed:
            known |= {"pushed_version": version_folder.name, "pushed_destination": str(version_folder)}
        self._step(
            context,
            "VersionPusher",
            {"model": model["model"], "model_blessing": blessing["blessing"]},
            {"pushed_model": ("PushedModel", "/artifacts/pushed", known)},
            {"provenance": json.dumps({"data_fingerprint": fingerprint, "pipeline": "made"})},
        )

    def reuse(self, run: str) -> None:
        """A later run that TFX reused everything in: it names the same artifacts as its own."""
        context = [self._context(run)]
        for name in _STEPS:
            execution = metadata_store_pb2.Execution(
                type_id=self._execution_type(name), last_known_state=metadata_store_pb2.Execution.CACHED
            )
            events = []
            (first, *_) = self._store.get_executions_by_type(_STEPS[name])
            for event in self._store.get_events_by_execution_ids([first.id]):
                (artifact,) = self._store.get_artifacts_by_id([event.artifact_id])
                again = metadata_store_pb2.Event(type=event.type, path=event.path)
                events.append((artifact, again))
            self._store.put_execution(execution, events, context)

    def _step(
        self,
        context: Sequence[Any],
        name: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, tuple[str, str, Mapping[str, Any]]],
        parameters: Mapping[str, str],
    ) -> dict[str, Any]:
        execution = metadata_store_pb2.Execution(
            type_id=self._execution_type(name), last_known_state=metadata_store_pb2.Execution.COMPLETE
        )
        for key, value in parameters.items():
            execution.custom_properties[key].string_value = value
        events = [(artifact, _event(metadata_store_pb2.Event.INPUT, key)) for key, artifact in inputs.items()]
        for key, (kind, uri, known) in outputs.items():
            type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
            artifact = metadata_store_pb2.Artifact(type_id=type_id, uri=uri)
            for prop, value in known.items():
                if isinstance(value, int):
                    artifact.custom_properties[prop].int_value = value
                else:
                    artifact.custom_properties[prop].string_value = value
            events.append((artifact, _event(metadata_store_pb2.Event.OUTPUT, key)))
        _, ids, _ = self._store.put_execution(execution, events, context)
        made = dict(zip([event.path.steps[0].key for _, event in events], ids, strict=True))
        return {key: self._store.get_artifacts_by_id([made[key]])[0] for key in outputs}

    def _context(self, name: str, kind: str = "pipeline_run") -> Any:
        known = kind in [found.name for found in self._store.get_context_types()]
        there = self._store.get_context_by_type_and_name(kind, name) if known else None
        if there is not None:
            return there
        type_id = self._store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        (context.id,) = self._store.put_contexts([context])
        return context

    def _execution_type(self, name: str) -> int:
        type_id: int = self._store.put_execution_type(metadata_store_pb2.ExecutionType(name=_STEPS[name]))
        return type_id


def _event(kind: Any, key: str) -> Any:
    event = metadata_store_pb2.Event(type=kind)
    event.path.steps.add().key = key
    return event
