"""What an earlier run left: the latest blessed model, the statistics that were accepted last.

TFX compiles its resolvers to KFP's `ResolverSpec`, which open-source Kubeflow Pipelines refuses ("resolver not
implemented yet", backend/src/v2/compiler/argocompiler/argo.go of kubeflow/pipelines); and its importer takes no URI
that another task found. In the place of a resolver come two steps of ours, the two halves of `latest`.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from components.errors import ConfigError

from .ir import Pipeline, Spec, output_artifact, output_parameter, producer_of
from .latest import EARLIER, FOUND, OWN

_OF_TWO_PHASES = ("-model-blessing-resolver", "-model-resolver")
"""TFX makes two tasks of its strategy for blessed models and ends their names so."""


@dataclass(frozen=True)
class LookedUp:
    """One input that comes from an earlier run.

    Attributes:
        task: The step that takes it.
        key: The step's name for it.
        own: The step's name for this run's artifact of the same type.
    """

    task: str
    key: str
    own: str


def replace_resolvers(pipeline: Pipeline, container: Spec) -> list[LookedUp]:
    """Puts look-ups in the place of TFX's resolvers.

    Args:
        pipeline: As TFX compiled it.
        container: The container of a look-up; what it is to do is added to its arguments.

    Returns:
        The inputs that may have nothing in them, as in a first run.

    Raises:
        ConfigError: If a step takes two artifacts of one type, and which is its own cannot be told.
    """
    resolvers = {task for task in pipeline.tasks if "resolver" in pipeline.executor(task)}
    found = []
    for task in [task for task in pipeline.tasks if task not in resolvers]:
        artifacts = pipeline.tasks[task].get("inputs", {}).get("artifacts", {})
        for key, source in list(artifacts.items()):
            producer = producer_of(source)
            if producer in resolvers:
                looked_up = LookedUp(task, key, _own_input(pipeline, task, key, resolvers))
                copier = _add_look_up(pipeline, str(producer), looked_up, container)
                artifacts[key] = output_artifact(copier, EARLIER)
                pipeline.depend(task, copier)
                pipeline.component(task)["inputDefinitions"]["artifacts"][key]["isOptional"] = True
                found.append(looked_up)
    for task in resolvers:
        pipeline.remove_task(task)
    return found


def title_of(artifact_type: dict[str, Any]) -> str:
    """The name of an artifact type (`tfx.Model`)."""
    if "schemaTitle" in artifact_type:
        return str(artifact_type["schemaTitle"])
    return str(yaml.safe_load(artifact_type["instanceSchema"])["title"])


def _own_input(pipeline: Pipeline, task: str, key: str, resolvers: set[str]) -> str:
    types = pipeline.component(task)["inputDefinitions"]["artifacts"]
    sources = pipeline.tasks[task]["inputs"]["artifacts"]
    title = title_of(types[key]["artifactType"])
    same = [
        other
        for other, source in sources.items()
        if title_of(types[other]["artifactType"]) == title and producer_of(source) not in resolvers
    ]
    if len(same) != 1:
        raise ConfigError(
            f"step {task} takes {len(same)} artifacts of type {title} from this run",
            "exactly one, which the one from an earlier run is compared with",
            "change the pipeline",
        )
    return str(same[0])


def _add_look_up(pipeline: Pipeline, resolver: str, wanted: LookedUp, container: Spec) -> str:
    """Adds the two steps, unless an earlier consumer did; gives the second one's name."""
    name = resolver
    for ending in _OF_TWO_PHASES:
        name = name.removesuffix(ending)
    finder, copier = f"{name}Find", f"{name}Copy"
    own = pipeline.tasks[wanted.task]["inputs"]["artifacts"][wanted.own]
    artifact_type = pipeline.component(wanted.task)["inputDefinitions"]["artifacts"][wanted.key]["artifactType"]
    title = title_of(artifact_type)
    if copier in pipeline.tasks:
        if pipeline.tasks[finder]["inputs"]["artifacts"][OWN] != own:
            raise ConfigError(
                f"steps compare artifacts {title} of different origin with what {resolver} finds",
                "one artifact of this run that is compared",
                "change the pipeline",
            )
        return copier
    definition = {"parameterType": "STRING"}
    pipeline.add_task(
        finder,
        {"inputs": {"artifacts": {OWN: own}}, "dependentTasks": [str(producer_of(own))]},
        {
            "inputDefinitions": {"artifacts": {OWN: {"artifactType": artifact_type}}},
            "outputDefinitions": {"parameters": {FOUND: definition}},
        },
        {"container": {**container, "args": ["find", *container["args"], "--type", title]}},
    )
    pipeline.add_task(
        copier,
        {
            "inputs": {"parameters": {FOUND: output_parameter(finder, FOUND)}},
            "dependentTasks": [finder],
            "cachingOptions": {"enableCache": True},
        },
        {
            "inputDefinitions": {"parameters": {FOUND: definition}},
            "outputDefinitions": {"artifacts": {EARLIER: {"artifactType": artifact_type}}},
        },
        {"container": {**container, "args": ["copy", *container["args"], "--type", title]}},
    )
    return copier
