"""A data set's pipeline as the YAML file that Kubeflow Pipelines reads (KFP v2, schema 2.1).

The pipeline is the one that `eoseg run` runs: `tfx_pipeline.pipeline.build_pipeline`, compiled by TFX, and then made
ready for a cluster by the passes beside this module.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError
from tfx_pipeline.config import Config
from tfx_pipeline.data_set import DataSet, Places, find_data_set, places_of
from tfx_pipeline.kubeflow_options import KubeflowOptions

from .artifact_paths import LAUNCHER_BASE
from .cluster import ask_cluster
from .fingerprint_tiles import FILES
from .ir import Pipeline, Spec
from .long_values import check_length
from .lookups import replace_resolvers, title_of
from .marks import mark
from .run_time import AS_CONFIGURED, add_run_time_parameters

PACKAGE = "eoseg_kubeflow"
"""This folder's name once it is installed: as `kubeflow` it would hide the distributions of that name."""

RUN_STEP = ("python", "-m", f"{PACKAGE}.run_step")
VERDICT = "eoseg.DataVerdict"


class _NoAliases(yaml.SafeDumper):
    """Writes equal parts out each time, as people read them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 the base class says what is given
        """Always."""
        return True


def compile_pipeline(config: Config, output: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Writes the YAML file, whole or not at all.

    Args:
        config: The configuration; its key `kubeflow` says how.
        output: The file to write.
        say: Told what is worth knowing.

    Raises:
        EosegError: If the tiles cannot be found, or the options do not fit together.
    """
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with _said_of(output):  # before the half minute that compiling takes
            if output.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            output.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
        text = as_yaml(compiled(config, say))
        with _said_of(output):
            part.write_text(text, encoding="utf-8")
            part.replace(output)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _said_of(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{output} cannot be written: {error.strerror or error}",
            "a file in a folder that this user can write to, with room",
            "choose another --output, or make room",
        ) from error


def as_yaml(documents: list[Spec]) -> str:
    """The documents as one text, the same for the same pipeline."""
    return yaml.dump_all(documents, Dumper=_NoAliases, sort_keys=True, allow_unicode=True, width=120)


def compiled(config: Config, say: Callable[[str], None] = lambda _: None) -> list[Spec]:
    """The pipeline specification, and, where something is asked of Kubernetes, the platform's.

    Raises:
        EosegError: As `compile_pipeline`.
    """
    options = config.kubeflow
    name, image, shared = config.name, options.image, options.shared_folder(config.name)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", name):
        raise ConfigError(
            f"the pipeline's name is '{name}'",
            "small letters, digits and hyphens, which is all that Kubeflow Pipelines takes",
            "set the key `name`",
        )
    if image is None:
        raise ConfigError(
            "no container image is named", "an image with EOSeg installed", "give --image, or set kubeflow.image"
        )
    if shared is None:
        raise ConfigError(
            "the steps share no folder: checkpoints, reports and served versions outlive a run",
            "a volume that every step mounts",
            "give --volume CLAIM=/mnt/eoseg, or set kubeflow.volumes (kubeflow.workdir if every pod has one anyway)",
        )
    here = places_of(config)
    data = find_data_set(config, here, say, fingerprint=False)
    marked = mark(config, data, here)
    places = Places(Path(shared), Path(config.publish.model_base or f"{shared}/served"), f"{shared}/artifacts")
    pipeline = Pipeline(_by_tfx(marked.config, marked.data, places, image))

    base = ["--artifact_base", options.root_folder or LAUNCHER_BASE]
    memory = f"{shared}/latest"
    found = replace_resolvers(pipeline, _own_container(image, "latest", "--memory", memory, *base))
    for task, container in pipeline.containers():
        if container["command"] == list(RUN_STEP):
            container["args"] += [*base, *_own_types(pipeline, task), *_remembering(pipeline, task, memory)]
    for looked_up in found:
        pipeline.executor(looked_up.task)["container"]["args"] += ["--optional_input", looked_up.key]
    add_run_time_parameters(
        pipeline,
        None if marked.root is None else (options.data_root or marked.root),
        AS_CONFIGURED if config.training.epochs is not None else config.training.steps,
        {FILES: json.dumps(marked.files, ensure_ascii=False)},
        _own_container(image, "fingerprint_tiles", "--memory", f"{shared}/fingerprints.json"),
    )
    ask_cluster(pipeline, options)
    _finish(pipeline, options)
    return pipeline.documents()


def _by_tfx(config: Config, data: DataSet, places: Places, image: str) -> Spec:
    """TFX's own compiler, which writes nothing."""
    from tfx import v1 as tfx

    from tfx_pipeline.pipeline import build_pipeline

    runner_config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        display_name=config.name, default_image=image, default_commands=list(RUN_STEP), use_pipeline_spec_2_1=True
    )
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(config=runner_config)
    job = runner.run(build_pipeline(config, data, places, any_driver=True), write_out=False)
    spec: Spec = job["pipelineSpec"]
    return spec


def _own_container(image: str, module: str, *arguments: str) -> Spec:
    return {
        "image": image,
        "command": ["python", "-m", f"{PACKAGE}.{module}"],
        "args": ["--executor_input", "{{$}}", *arguments],
    }


def _own_types(pipeline: Pipeline, task: str) -> list[str]:
    """The arguments that tell a step the classes of EOSeg's artifact types; all are imported by now."""
    from tfx.types.artifact import Artifact
    from tfx.utils import name_utils

    classes, waiting = {}, [Artifact]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        classes[kind.TYPE_NAME] = kind
    own = sorted(title for title in _titles(pipeline, task, "input", "output") if title in classes)
    return [
        word for title in own for word in ("--artifact_type", f"{title}={name_utils.get_full_name(classes[title])}")
    ]


def _titles(pipeline: Pipeline, task: str, *halves: str) -> set[str]:
    """The types of a task's artifacts; those that TFX has itself are written `tfx.Model`."""
    definitions = [pipeline.component(task).get(f"{half}Definitions", {}) for half in halves]
    return {title_of(one["artifactType"]) for half in definitions for one in half.get("artifacts", {}).values()}


def _remembering(pipeline: Pipeline, task: str, memory: str) -> list[str]:
    """The arguments of a step that finds something good: statistics that are accepted, a model that is blessed."""
    inputs = pipeline.component(task).get("inputDefinitions", {}).get("artifacts", {})
    if VERDICT in _titles(pipeline, task, "output"):
        return ["--memory", memory, "--good", "statistics"]
    if {"model", "model_blessing"} <= set(inputs):
        return ["--memory", memory, "--good", "model", "--good_if_blessed", "model_blessing"]
    return []


def _finish(pipeline: Pipeline, options: KubeflowOptions) -> None:
    if options.pipeline_root and options.root_folder is None:
        pipeline.spec["defaultPipelineRoot"] = options.pipeline_root
    for task, container in pipeline.containers():
        check_length(task, list(pipeline.constants(task).values()))
        if not options.cache:
            pipeline.tasks[task].pop("cachingOptions", None)
        container.pop("lifecycle", None)
