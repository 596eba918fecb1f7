"""A compiled pipeline as the plain mappings of its YAML file: KFP's intermediate representation, schema 2.1.

`pipeline_spec.proto` of Kubeflow Pipelines says what the keys mean. The passes that come after TFX's own compiler
(`run_time`, `lookups`, `cluster`) change it through this one view.
"""

from collections.abc import Iterator, Mapping
from typing import Any

PLATFORM = "kubernetes"

Spec = dict[str, Any]


class Pipeline:
    """A pipeline's specification, and what it asks of Kubernetes.

    Args:
        spec: The `PipelineSpec`; it is changed in place.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.kubernetes: dict[str, Spec] = {}
        """Executor -> `KubernetesExecutorConfig`, the second document of the file."""

    @property
    def tasks(self) -> dict[str, Spec]:
        """The tasks by name."""
        tasks: dict[str, Spec] = self.spec["root"]["dag"]["tasks"]
        return tasks

    @property
    def executors(self) -> dict[str, Spec]:
        """The executors by label."""
        executors: dict[str, Spec] = self.spec["deploymentSpec"]["executors"]
        return executors

    def component(self, task: str) -> Spec:
        """The component that a task is one of."""
        component: Spec = self.spec["components"][self.tasks[task]["componentRef"]["name"]]
        return component

    def executor(self, task: str) -> Spec:
        """How a task is executed."""
        executor: Spec = self.executors[self.component(task)["executorLabel"]]
        return executor

    def containers(self) -> Iterator[tuple[str, Spec]]:
        """The tasks that run a container, with it."""
        for task in self.tasks:
            if "container" in self.executor(task):
                yield task, self.executor(task)["container"]

    def on_kubernetes(self, task: str) -> Spec:
        """What a task's pod asks of Kubernetes, to be added to."""
        return self.kubernetes.setdefault(self.component(task)["executorLabel"], {})

    def constants(self, task: str) -> dict[str, str]:
        """The texts among a task's parameters that are known when compiling."""
        found = {}
        for name, value in self.tasks[task].get("inputs", {}).get("parameters", {}).items():
            constant = value.get("runtimeValue", {}).get("constant")
            if isinstance(constant, str):
                found[name] = constant
        return found

    def set_constant(self, task: str, name: str, value: str) -> None:
        """Gives a parameter of a task another constant."""
        self.tasks[task]["inputs"]["parameters"][name]["runtimeValue"]["constant"] = value

    def add_parameter(self, task: str, name: str, kind: str, source: Spec) -> None:
        """Gives a task one more parameter."""
        definitions = self.component(task).setdefault("inputDefinitions", {})
        definitions.setdefault("parameters", {})[name] = {"parameterType": kind}
        self.tasks[task].setdefault("inputs", {}).setdefault("parameters", {})[name] = source

    def add_run_time_parameter(self, name: str, kind: str, default: Any, description: str) -> None:
        """Gives the pipeline a parameter that whoever starts a run may set."""
        definitions = self.spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
        definitions[name] = {
            "parameterType": kind,
            "defaultValue": default,
            "isOptional": True,
            "description": description,
        }

    def depend(self, task: str, other: str) -> None:
        """Lets a task wait for another."""
        dependent = set(self.tasks[task].get("dependentTasks", []))
        self.tasks[task]["dependentTasks"] = sorted(dependent | {other})

    def add_task(self, name: str, task: Spec, component: Spec, executor: Spec) -> None:
        """Adds a task with a component and an executor of its own."""
        label = f"{name}_executor"
        self.executors[label] = executor
        self.spec["components"][name] = {**component, "executorLabel": label}
        self.tasks[name] = {"taskInfo": {"name": name}, "componentRef": {"name": name}, **task}

    def remove_task(self, name: str) -> None:
        """Takes a task away, with its component and executor; nobody waits for it any longer."""
        component = self.tasks.pop(name)["componentRef"]["name"]
        del self.executors[self.spec["components"].pop(component)["executorLabel"]]
        for task in self.tasks.values():
            if name in task.get("dependentTasks", []):
                task["dependentTasks"].remove(name)

    def documents(self) -> list[Spec]:
        """The documents of the YAML file."""
        if not self.kubernetes:
            return [self.spec]
        return [self.spec, {"platforms": {PLATFORM: {"deploymentSpec": {"executors": self.kubernetes}}}}]


def constant(value: Any) -> Spec:
    """A parameter's source: a value known when compiling."""
    return {"runtimeValue": {"constant": value}}


def output_parameter(task: str, key: str) -> Spec:
    """A parameter's source: what another task found."""
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}}


def output_artifact(task: str, key: str) -> Spec:
    """An artifact's source."""
    return {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": key}}


def producer_of(source: Mapping[str, Any]) -> str | None:
    """The task that an artifact or a parameter comes from; None where it comes from none."""
    for kind in ("taskOutputArtifact", "taskOutputParameter"):
        if kind in source:
            return str(source[kind]["producerTask"])
    return None
