"""What the steps ask of the cluster: processors, memory, the trainer's accelerator and node, volumes, secrets.

Processors and memory stand in the pipeline itself; the rest in the file's second document, whose keys are those of
`KubernetesExecutorConfig` (kubernetes_platform/proto/kubernetes_executor_config.proto of kubeflow/pipelines). Where it
has an older and a newer key for one thing, the older one is written: every 2.x server and client reads it.
"""

from components.errors import ConfigError
from tfx_pipeline.kubeflow_options import EVERY_STEP, TRAINER, KubeflowOptions, StepResources

from .ir import Pipeline, Spec

_SUFFIXES = {
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def ask_cluster(pipeline: Pipeline, options: KubeflowOptions) -> None:
    """Writes what the options ask for into the pipeline.

    Raises:
        ConfigError: If they name a step that the pipeline does not have.
    """
    steps = [task for task, _ in pipeline.containers()]
    wanted = {*options.resources, *([TRAINER] if options.gpu else [])} - {EVERY_STEP}
    for step in sorted(wanted - set(steps)):
        raise ConfigError(
            f"kubeflow.resources names '{step}', which is no step",
            f"one of {', '.join(sorted(steps))}, or {EVERY_STEP}",
            "correct the name",
        )
    for step, container in pipeline.containers():
        asked = options.resources.get(step) or options.resources.get(EVERY_STEP)
        if asked is not None:
            container.setdefault("resources", {}).update(_resources(asked))
        if options.environment:
            container["env"] = [{"name": k, "value": v} for k, v in sorted(options.environment.items())]
        _ask_kubernetes(pipeline, step, options)
    if options.gpu is not None:
        _ask_accelerator(pipeline, options)


def _resources(asked: StepResources) -> Spec:
    found: Spec = {}
    for key, quantity in (("cpuRequest", asked.cpu), ("cpuLimit", asked.cpu_limit)):
        if quantity is not None:
            found[key] = _cores(quantity)
    for key, quantity in (("memoryRequest", asked.memory), ("memoryLimit", asked.memory_limit)):
        if quantity is not None:
            found[key] = _bytes(quantity) / 1e9  # the server adds a G to the number
    return found


def _cores(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)


def _bytes(quantity: str) -> float:
    digits = quantity.rstrip("KMGTik")
    return float(digits) * _SUFFIXES[quantity.removeprefix(digits)]


def _ask_kubernetes(pipeline: Pipeline, step: str, options: KubeflowOptions) -> None:
    asked: Spec = {}
    if options.volumes:
        asked["pvcMount"] = [{"constant": v.claim, "mountPath": v.mount_path} for v in options.volumes]
    if options.secrets:
        asked["secretAsEnv"] = [
            {
                "secretName": secret.name,
                "keyToEnv": [{"secretKey": key, "envVar": variable} for variable, key in sorted(secret.keys.items())],
            }
            for secret in options.secrets
        ]
    if options.image_pull_secret:
        asked["imagePullSecret"] = [{"secretName": options.image_pull_secret}]
    if options.image_pull_policy:
        asked["imagePullPolicy"] = options.image_pull_policy
    if asked:
        pipeline.on_kubernetes(step).update(asked)


def _ask_accelerator(pipeline: Pipeline, options: KubeflowOptions) -> None:
    gpu = options.gpu
    if gpu is None:
        return
    resources = pipeline.executor(TRAINER)["container"].setdefault("resources", {})
    resources["accelerator"] = {
        "type": gpu.resource,
        "count": str(gpu.count),  # an int64, which JSON writes as a text
    }
    if gpu.node_selector:
        pipeline.on_kubernetes(TRAINER)["nodeSelector"] = {"labels": dict(sorted(gpu.node_selector.items()))}
    if gpu.tolerate:
        toleration = {"key": gpu.resource, "operator": "Exists", "effect": "NoSchedule"}
        pipeline.on_kubernetes(TRAINER)["tolerations"] = [toleration]
