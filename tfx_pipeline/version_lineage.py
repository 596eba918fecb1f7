"""The lineage of pushed versions, read from ML Metadata: from the version back to the tiles."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from pydantic import ValidationError

from components.errors import EosegError, MissingFileError
from components.tile_source import TileList
from serving.versions.lineage import Lineage, LineageNode
from serving.versions.recorded import OwnRecords
from tfx_pipeline.metadata_place import MetadataPlace, open_metadata, pipeline_context
from tfx_pipeline.run_record import RUN_CONTEXT

PUSHED_MODEL = "PushedModel"
PUSHER, EVALUATOR, INGEST = "VersionPusher", "Evaluator", "TileExampleGen"
_EVENT = metadata_store_pb2.Event
_OUTPUTS = (_EVENT.OUTPUT, _EVENT.DECLARED_OUTPUT)
_INPUTS = (_EVENT.INPUT, _EVENT.DECLARED_INPUT)
_SHORT = 200
"""Characters of a property that stand in a node; the parameters have all of it."""


class VersionRecords:
    """The versions that a metadata store knows.

    Args:
        store: Of one or several pipelines.
        pipeline: The context of the one whose versions count; None counts all.
    """

    def __init__(self, store: metadata_store.MetadataStore, pipeline: metadata_store_pb2.Context | None = None) -> None:
        self._store = store
        self._pipeline = pipeline
        self._types = {kind.id: kind.name for kind in store.get_artifact_types()}
        self._steps = {kind.id: kind.name.rpartition(".")[2] for kind in store.get_execution_types()}

    def pushed(self, model_name: str) -> dict[int, int]:
        """Version -> its artifact's id, of all that were pushed under a name, whether or not they are still there."""
        if PUSHED_MODEL not in self._types.values():
            return {}
        found = {}
        artifacts = self._store.get_artifacts_by_type(PUSHED_MODEL)
        if self._pipeline is not None:
            own = {artifact.id for artifact in self._store.get_artifacts_by_context(self._pipeline.id)}
            artifacts = [artifact for artifact in artifacts if artifact.id in own]
        for artifact in sorted(artifacts, key=lambda artifact: int(artifact.id)):
            known = _values(artifact.custom_properties)
            place = Path(str(known.get("pushed_destination", "")))
            if known.get("pushed") == 1 and place.parent.name == model_name and place.name.isdecimal():
                found[int(place.name)] = int(artifact.id)
        return found

    def lineage(self, model_name: str, version: int, own: OwnRecords) -> Lineage | None:
        """Everything that a version was made of; None where it is not recorded.

        Args:
            model_name: As served.
            version: Which.
            own: What its folder says of it; empty where that is gone.
        """
        artifact_id = self.pushed(model_name).get(version)
        if artifact_id is None:
            return None
        nodes, edges, executions = self._upstream(artifact_id)
        (artifact,) = self._store.get_artifacts_by_id([artifact_id])
        parameters = {self._steps[e.type_id]: _parameters(e) for e in executions}
        pusher = next((e for e in executions if self._steps[e.type_id] == PUSHER), None)
        recorded = parameters.get(PUSHER, {}).get("provenance", {})
        known = {**(recorded if isinstance(recorded, dict) else {}), **own.provenance}
        splits = parameters.get(EVALUATOR, {}).get("example_splits", [])
        return Lineage(
            version=version,
            model=model_name,
            model_digest=_text(known.get("model_digest")) or None,
            pipeline=_text(known.get("pipeline")),
            run=self._run_of(pusher),
            pushed=_time(artifact.create_time_since_epoch),
            data_fingerprint=_text(known.get("data_fingerprint"))
            or _text(parameters.get(INGEST, {}).get("fingerprint")),
            records_fingerprint=own.of_training.get("data_fingerprint", ""),
            config_hash=own.of_training.get("config_hash", ""),
            code_revision=own.code_revision,
            figures=own.figures or _figures(node.uri for node in nodes if node.type == "ModelEvaluation"),
            evaluated_split=own.evaluated_split or (", ".join(map(str, splits)) if isinstance(splits, list) else ""),
            tiles=_tiles(parameters.get(INGEST, {})),
            parameters=parameters,
            nodes=tuple(nodes),
            edges=tuple(edges),
        )

    def _upstream(self, artifact_id: int) -> tuple[list[LineageNode], list[tuple[str, str]], list[Any]]:
        """All that an artifact was made of, and the siblings of what was read: an evaluation beside its blessing."""
        waiting, seen = [artifact_id], {artifact_id}
        executions: dict[int, Any] = {}
        edges: dict[tuple[str, str], None] = {}
        keys: dict[int, str] = {}
        while waiting:
            for made_by in self._makers(waiting.pop()):
                if made_by.id in executions:
                    continue
                executions[made_by.id] = made_by
                for event in self._store.get_events_by_execution_ids([made_by.id]):
                    key = event.path.steps[0].key if event.path.steps else ""
                    if event.type in _OUTPUTS:
                        keys[event.artifact_id] = key
                        edges[f"e{made_by.id}", f"a{event.artifact_id}"] = None
                        seen.add(event.artifact_id)
                    elif event.type in _INPUTS:
                        keys.setdefault(event.artifact_id, key)
                        edges[f"a{event.artifact_id}", f"e{made_by.id}"] = None
                        if event.artifact_id not in seen:
                            seen.add(event.artifact_id)
                            waiting.append(event.artifact_id)
        nodes = [
            LineageNode(
                id=f"e{execution.id}",
                kind="step",
                name=self._steps[execution.type_id],
                made=_time(execution.last_update_time_since_epoch),
            )
            for execution in executions.values()
        ]
        for artifact in self._store.get_artifacts_by_id(sorted(seen)):
            properties = {k: v for k, v in _values(artifact.custom_properties).items() if len(str(v)) <= _SHORT}
            nodes.append(
                LineageNode(
                    id=f"a{artifact.id}",
                    kind="artifact",
                    name=keys.get(artifact.id, ""),
                    type=self._types.get(artifact.type_id, ""),
                    uri=artifact.uri,
                    made=_time(artifact.create_time_since_epoch),
                    properties=properties,
                )
            )
        return nodes, list(edges), sorted(executions.values(), key=lambda execution: int(execution.id))

    def _makers(self, artifact_id: int) -> list[Any]:
        """The execution that made an artifact; later ones that reused it name it as their output, too."""
        events = self._store.get_events_by_artifact_ids([artifact_id])
        made_by = sorted({event.execution_id for event in events if event.type in _OUTPUTS})
        finished = [
            execution
            for execution in self._store.get_executions_by_id(made_by)
            if execution.last_known_state == metadata_store_pb2.Execution.COMPLETE
        ]
        return sorted(finished, key=lambda execution: int(execution.id))[:1]

    def _run_of(self, execution: Any) -> str:
        if execution is None:
            return ""
        contexts = self._store.get_contexts_by_execution(execution.id)
        runs = {kind.id for kind in self._store.get_context_types() if kind.name == RUN_CONTEXT}
        return next((str(context.name) for context in contexts if context.type_id in runs), "")


def open_records(metadata: MetadataPlace | Path) -> VersionRecords:
    """The versions recorded in ML Metadata, to read.

    Args:
        metadata: Of the pipeline that pushed them; a path is a SQLite file, whichever pipeline's versions it has.

    Raises:
        MissingFileError: If there are none.
        MetadataError: If the database cannot be opened.
    """
    if isinstance(metadata, Path) and not metadata.is_file():
        raise MissingFileError(
            f"{metadata} does not exist", "the metadata of a run", "give the --workdir of a run, or --metadata FILE"
        )
    store = open_metadata(metadata)
    # In a team's database another working directory may have pushed the same number of the same name elsewhere.
    is_shared = isinstance(metadata, MetadataPlace) and metadata.options.kind != "sqlite"
    return VersionRecords(store, pipeline_context(store, metadata) if is_shared else None)


def _figures(evaluation_uris: Iterable[str]) -> dict[str, float | None]:
    """Of the first evaluation that can be read; its folder may have been cleared away since."""
    for uri in evaluation_uris:
        if not Path(uri).is_dir() and "://" not in uri:
            continue
        from components.evaluation.verdict import read_evaluation

        try:
            figures = read_evaluation(uri).figures
        except (EosegError, OSError):
            continue
        return {name: None if math.isnan(value) else round(value, 6) for name, value in figures.items()}
    return {}


def _tiles(parameters: Mapping[str, Any]) -> tuple[Any, ...]:
    try:
        return TileList.model_validate(parameters.get("tiles", {})).tiles
    except ValidationError:  # of an earlier EOSeg: the parameters still have them
        return ()


def _parameters(execution: Any) -> dict[str, Any]:
    found = {}
    for name, value in _values(execution.custom_properties).items():
        if not name.startswith("__schema__"):
            found[name] = _decoded(value)
    return found


def _decoded(value: Any) -> Any:
    """Options travel to the steps as JSON."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _values(properties: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in properties.items():
        kind = value.WhichOneof("value")
        if kind in ("int_value", "double_value", "string_value", "bool_value"):
            found[name] = getattr(value, kind)
    return found


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
