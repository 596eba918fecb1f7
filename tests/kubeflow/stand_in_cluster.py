"""Runs a compiled pipeline as Kubeflow Pipelines does, each step's own command as a process of its own.

It follows the driver (`resolveInputs`, `provisionOutputs`) and the launcher (backend/src/v2/component/launcher_v2.go of
kubeflow/pipelines): inputs are resolved into an ExecutorInput, the input artifacts are copied from the store to the
container's folders, `{{$}}` is filled in, the command runs, the output artifacts are copied to the store, and nothing
else is left of the container. Resolvers and foreign output URIs are refused, as there.
"""

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

CONTAINER_ROOT = "--artifact_base"
"""The option whose value `/` stands for the container's own root folder, which a process here does not have."""


STEPS_AT_ONCE = 2


class StepFailedError(Exception):
    """A step's command ended with another code than 0."""


@dataclass
class Run:
    """What became of one run.

    Attributes:
        executed: Names of the tasks whose command ran, in order.
        reused: Those that were taken from an earlier run.
        artifacts: Task -> output key -> RuntimeArtifact.
        parameters: Task -> output key -> value.
        seconds: Task -> how long its command took.
        logs: Task -> what it printed.
    """

    executed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


class StandInCluster:
    """A cluster with one object store, which is a folder here, and a cache.

    Args:
        store: The folder that stands for the store; `s3://bucket/key` is `store/bucket/key`.
        scratch: Where containers have their folders while they run.
        environment: The containers' environment; its PATH leads to the image's `python`.
    """

    def __init__(self, store: Path, scratch: Path, environment: dict[str, str]) -> None:
        self.store, self.scratch, self.environment = store, scratch, environment
        self._cache: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._identities = itertools.count(1)
        self._runs = 0

    def run(self, file: Path, parameters: dict[str, Any] | None = None, until: str | None = None) -> Run:
        """Runs a pipeline to its end.

        Args:
            file: The compiled YAML.
            parameters: Those of the run, beside the defaults.
            until: Runs only this step and what it needs.

        Raises:
            StepFailedError: With the end of what the step printed.
        """
        spec = json_format.MessageToDict(_parsed(file))
        self._runs += 1
        run = Run()
        given = _with_defaults(spec, parameters or {})
        root = f"{spec['defaultPipelineRoot']}/{spec['pipelineInfo']['name']}/run-{self._runs}"
        tasks = spec["root"]["dag"]["tasks"]
        if until is not None:
            tasks = {name: tasks[name] for name in _needed_in_all(tasks, until)}
        with ThreadPoolExecutor(STEPS_AT_ONCE) as pool:
            for wave in waves(tasks):
                list(pool.map(lambda name: self._do(name, spec, f"{root}/{name}", given, run), wave))
        return run

    def _do(self, name: str, spec: dict[str, Any], folder: str, given: dict[str, Any], run: Run) -> None:
        task = spec["root"]["dag"]["tasks"][name]
        component = spec["components"][task["componentRef"]["name"]]
        executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        if "container" not in executor:
            raise NotImplementedError(f"{name}: {', '.join(executor)} not implemented yet")
        inputs = _inputs(task, component, given, run)
        outputs = _outputs(component, folder)
        key = json.dumps([_cached_by(inputs), executor, sorted(outputs["artifacts"])], sort_keys=True)
        if task.get("cachingOptions", {}).get("enableCache", False) and key in self._cache:
            run.reused.append(name)
        else:
            self._cache[key] = self._execute(name, executor["container"], inputs, outputs, run)
        run.artifacts[name], run.parameters[name] = self._cache[key]

    def local(self, uri: str) -> Path:
        """Where an artifact lies in the store."""
        return self.store / uri.removeprefix("s3://")

    def _execute(
        self, name: str, container: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any], run: Run
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        place = self.scratch / name
        shutil.rmtree(place, ignore_errors=True)
        (place / "empty").mkdir(parents=True)
        container_root = place / "root"
        outputs = {**outputs, "outputFile": str(place / "kfp_outputs" / "output_metadata.json")}
        for key in outputs["parameters"]:
            outputs["parameters"][key]["outputFile"] = str(place / "outputs" / key)
        for found in inputs["artifacts"].values():
            (artifact,) = found["artifacts"]
            if self.local(artifact["uri"]).is_dir():
                shutil.copytree(self.local(artifact["uri"]), _in_container(container_root, artifact["uri"]))
        for found in outputs["artifacts"].values():
            _in_container(container_root, found["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
        executor_input = {"inputs": inputs, "outputs": outputs}
        json_format.ParseDict(executor_input, pipeline_spec_pb2.ExecutorInput())  # refuses unknown keys
        command = [*container["command"], *container["args"]]
        command = [word.replace("{{$}}", json.dumps(executor_input)) for word in command]
        if CONTAINER_ROOT in command and command[command.index(CONTAINER_ROOT) + 1] == "/":
            command[command.index(CONTAINER_ROOT) + 1] = str(container_root)
        assert max(map(len, command)) < 128 * 1024, "Linux starts no process with such an argument"
        started = time.monotonic()
        extra = {variable["name"]: variable["value"] for variable in container.get("env", [])}
        done = subprocess.run(
            command,
            cwd=place / "empty",
            env={**self.environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        run.executed.append(name)
        run.seconds[name], run.logs[name] = time.monotonic() - started, done.stdout
        if done.returncode:
            raise StepFailedError(f"{name} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        assert not list((place / "empty").iterdir()), f"{name} wrote into its working directory"
        result = self._collect(container_root, outputs)
        shutil.rmtree(place)
        return result

    def _collect(self, container_root: Path, outputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        output = pipeline_spec_pb2.ExecutorOutput()
        file = Path(outputs["outputFile"])
        if file.exists():
            json_format.Parse(file.read_text(), output)
        told = json_format.MessageToDict(output).get("artifacts", {})
        artifacts = {}
        for key, found in outputs["artifacts"].items():
            (artifact,) = found["artifacts"]
            (said,) = told.get(key, {}).get("artifacts", [{}])
            assert said.get("uri", artifact["uri"]) == artifact["uri"], "the launcher uploads to this run's folder only"
            local = _in_container(container_root, artifact["uri"])
            if local.is_dir():
                shutil.copytree(local, self.local(artifact["uri"]))
            metadata = {**artifact.get("metadata", {}), **said.get("metadata", {})}
            artifacts[key] = {**artifact, "name": str(next(self._identities)), "metadata": metadata}
        parameters = {key: Path(found["outputFile"]).read_text() for key, found in outputs["parameters"].items()}
        return artifacts, parameters


def waves(tasks: dict[str, Any]) -> Iterator[list[str]]:
    """Every task after those that it waits for and takes something from; those of one wave may run side by side."""
    waiting = {name: _needed(task) for name, task in tasks.items()}
    while waiting:
        ready = sorted(name for name, needed in waiting.items() if not needed & waiting.keys())
        assert ready, f"tasks wait for each other: {sorted(waiting)}"
        yield ready
        waiting = {name: needed for name, needed in waiting.items() if name not in ready}


def _needed(task: dict[str, Any]) -> set[str]:
    sources = [*task.get("inputs", {}).get("artifacts", {}).values()]
    sources += task.get("inputs", {}).get("parameters", {}).values()
    producers = {one["producerTask"] for source in sources for one in source.values() if "producerTask" in one}
    return producers | set(task.get("dependentTasks", []))


def _needed_in_all(tasks: dict[str, Any], name: str) -> set[str]:
    return {name}.union(*(_needed_in_all(tasks, other) for other in _needed(tasks[name])))


def _parsed(file: Path) -> pipeline_spec_pb2.PipelineSpec:
    document, *_ = yaml.safe_load_all(file.read_text())
    return json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())


def _with_defaults(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    assert parameters.keys() <= known.keys()
    return {**{name: one["defaultValue"] for name, one in known.items() if "defaultValue" in one}, **parameters}


def _inputs(task: dict[str, Any], component: dict[str, Any], given: dict[str, Any], run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {"artifacts": {}, "parameterValues": {}}
    declared = component.get("inputDefinitions", {})
    for key, source in task.get("inputs", {}).get("artifacts", {}).items():
        assert key in declared["artifacts"]
        origin = source["taskOutputArtifact"]
        artifact = run.artifacts[origin["producerTask"]][origin["outputArtifactKey"]]
        found["artifacts"][key] = {"artifacts": [artifact]}
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        assert key in declared["parameters"]
        if "componentInputParameter" in source:
            value = given[source["componentInputParameter"]]
        elif "taskOutputParameter" in source:
            origin = source["taskOutputParameter"]
            value = run.parameters[origin["producerTask"]][origin["outputParameterKey"]]
        else:
            value = source["runtimeValue"]["constant"]
        found["parameterValues"][key] = value
    return found


def _outputs(component: dict[str, Any], folder: str) -> dict[str, Any]:
    declared = component.get("outputDefinitions", {})
    artifacts = {
        key: {"artifacts": [{"uri": f"{folder}/{key}", "type": one["artifactType"], **_metadata(one)}]}
        for key, one in declared.get("artifacts", {}).items()
    }
    return {"artifacts": artifacts, "parameters": {key: {} for key in declared.get("parameters", {})}}


def _metadata(declared: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": declared["metadata"]} if "metadata" in declared else {}


def _cached_by(inputs: dict[str, Any]) -> list[Any]:
    """What the cluster takes for the same inputs: artifacts by their identity, parameters by their value."""
    names = {key: [one["name"] for one in found["artifacts"]] for key, found in inputs["artifacts"].items()}
    return [names, inputs["parameterValues"]]


def _in_container(root: Path, uri: str) -> Path:
    scheme, _, rest = uri.partition("://")
    assert scheme == "s3"
    return root / "s3" / rest
