"""What produced the model: configuration, each step's artifacts; and how to use it."""

import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from components.publishing.versions import version_numbers
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import Places
from tfx_pipeline.metadata_place import MetadataPlace
from tfx_pipeline.outcome import Outcome
from tfx_pipeline.report.parents import parents_of
from tfx_pipeline.run_record import RunRecord

PIPELINE_ORDER = (
    "LabelValidator",
    "TileExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ImportSchema",
    "ExampleValidator",
    "AnomalyGate",
    "Trainer",
    "LatestBlessedModel",
    "Evaluator",
    "MapEvaluator",
    "ModelGates",
    "ServingCheck",
    "VersionPusher",
)


@dataclass(frozen=True)
class ArtifactRow:
    """One output of one step.

    Attributes:
        step, key: Which output of which step.
        id: In ML Metadata.
        uri: Its folder.
        created: When it was made.
        reused: Whether this run took it from an earlier one.
        parents: Ids of the artifacts that the step read.
    """

    step: str
    key: str
    id: int
    uri: str
    created: str
    reused: bool
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command with what it is for."""

    purpose: str
    line: str


def artifact_rows(record: RunRecord, metadata: MetadataPlace | Path) -> list[ArtifactRow]:
    """All outputs of a run, in the order of the flow.

    Args:
        record: The run.
        metadata: Where it is recorded, for the parents; they are left out where that is not there.
    """
    ids = [artifact.id for step in record.steps.values() for artifact in step.outputs.values()]
    parents = parents_of(metadata, ids)
    order = {step: place for place, step in enumerate(PIPELINE_ORDER)}
    return [
        ArtifactRow(
            step=step,
            key=key,
            id=artifact.id,
            uri=artifact.uri,
            created=_time(artifact.created),
            reused=record.steps[step].reused,
            parents=parents[artifact.id],
        )
        for step in sorted(record.steps, key=lambda step: (order.get(step, len(order)), step))
        for key, artifact in sorted(record.steps[step].outputs.items())
    ]


def config_yaml(config: Config) -> str:
    """The whole configuration, defaults and overrides included."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def previous_version(outcome: Outcome) -> int | None:
    """The version that is served once this one is withdrawn; None where there is no earlier one."""
    if outcome.version is None or outcome.version_folder is None:
        return None
    earlier = [number for number in version_numbers(outcome.version_folder.parent) if number < outcome.version]
    return max(earlier, default=None)


def usage(config: Config, places: Places, outcome: Outcome) -> list[Command]:
    """How to serve the version, how to ask it, and how to go back to the one before; none where nothing was pushed."""
    if outcome.version is None or outcome.version_folder is None:
        return []
    base, name, number = places.model_base, config.publish.model_name, outcome.version
    asides = base.with_name(f"{base.name}-withdrawn")
    numbers = config.band_set.plain_numbers
    bands = ("--bands", ",".join(str(number) for number in numbers)) if numbers else ()

    def line(*words: str | int | Path) -> str:
        return shlex.join(str(word) for word in words)

    commands = [
        Command("Serve it", line("eoseg", "serve", "--model-base", base, "--model-name", name, "--port", "8500")),
        Command(
            "Or serve it with the stock server",
            line("tensorflow_model_server", "--port=8500", f"--model_name={name}", f"--model_base_path={base / name}"),
        ),
        Command(
            "Predict the map of a tile",
            line("eoseg", "predict", "TILE.tif", "MAP.tif", "--server", "127.0.0.1:8500", "--model-name", name, *bands),
        ),
        Command("See what it was made of, up to the tiles", line("eoseg", "versions", "show", base / name, number)),
    ]
    previous = previous_version(outcome)
    if previous is not None:
        older = outcome.version_folder.with_name(str(previous))
        comparison = line("eoseg", "report", "--compare", older, outcome.version_folder)
        labelled = line("eoseg", "versions", "rollback", base / name, "--to-version", previous)
        withdraw = f"{line('mkdir', '-p', asides)} && {line('mv', outcome.version_folder, asides)}"
        commands += [
            Command(f"Put it beside version {previous}", comparison),
            Command(f"Roll back to version {previous}, for a server that serves the newest version", withdraw),
            Command(f"Roll back to version {previous}, for clients that ask for the version labelled stable", labelled),
        ]
    return commands


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
