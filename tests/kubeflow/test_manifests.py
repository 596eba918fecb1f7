"""The cluster's manifests as built: against Kubernetes' schemas, EOSeg's policies, and EOSeg's own config writers."""

import importlib.util
import itertools
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from serving.deploy.container import IMAGE, for_container
from serving.deploy.deployment import file_flags, models_file_flags, read_config_files
from tests.kubeflow.build_manifests import MANIFESTS, ROOT, Document, build, the
from tests.kubeflow.go_modules import go_module
from tests.kubeflow.manifest_policies import containers, faults, pod_template
from tfx_pipeline.cli.main import build_parser
from tfx_pipeline.load_config import load_config

VERSIONS = ("1.31", "1.34", "1.37")
OVERLAYS = ("overlays/cpu", "overlays/gpu", "overlays/s3")
# Kinds that an operator brings; Kubernetes has no schema for them.
OPERATORS = ("InferenceService", "ServiceMonitor")


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_configs", MANIFESTS / "write_configs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def serving_pod(documents: list[Document]) -> Document:
    pod: Document = the(documents, "Deployment")["spec"]["template"]["spec"]
    return pod


def server(documents: list[Document]) -> Document:
    (found,) = (one for one in serving_pod(documents)["containers"] if one["name"] == "serving")
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", [*OVERLAYS, "retraining", "kserve"])
def test_kubernetes_knows_every_field(folder: str, version: str) -> None:
    documents = [one for one in build(folder) if one["kind"] not in OPERATORS]
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    document = the(build("overlays/cpu"), "Deployment")
    document["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_nothing_is_dangerous_or_points_nowhere(folder: str) -> None:
    assert faults(build(folder)) == []


@pytest.mark.parametrize("folder", ["overlays/cpu", "overlays/gpu"])
def test_retraining_finds_what_it_needs_beside_an_overlay(folder: str) -> None:
    assert faults(build(folder) + build("retraining")) == []
    models = "PersistentVolumeClaim eoseg-models, which is not there"
    assert [fault for fault in faults(build("retraining")) if models in fault]


def _set(*path: Any, to: Any) -> Callable[[Document], None]:
    def spoil(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return spoil


POD = ("spec", "template", "spec")
FIRST = (*POD, "containers", 0)


@pytest.mark.parametrize(
    ("kind", "spoil", "fault"),
    [
        ("Deployment", _set(*FIRST, "image", to="tensorflow/serving:latest"), "moving image"),
        ("Deployment", _set(*FIRST, "image", to="tensorflow/serving"), "moving image"),
        ("Deployment", _set(*FIRST, "securityContext", "privileged", to=True), "privileged"),
        ("Deployment", _set(*FIRST, "securityContext", "capabilities", to={"drop": ["ALL"], "add": ["X"]}), "capab"),
        ("Deployment", _set(*FIRST, "securityContext", "readOnlyRootFilesystem", to=False), "write into its image"),
        ("Deployment", _set(*FIRST, "resources", "limits", to={"cpu": "1"}), "no limits for memory"),
        ("Deployment", _set(*FIRST, "readinessProbe", to=None), "no readinessProbe"),
        ("Deployment", _set(*FIRST, "livenessProbe", "grpc", "port", to=8502), "port 8502"),
        ("Deployment", _set(*POD, "volumes", 1, to={"name": "models", "hostPath": {"path": "/"}}), "path of the host"),
        ("Deployment", _set(*POD, "securityContext", to={}), "root"),
        ("Deployment", _set(*POD, "volumes", 2, "emptyDir", "sizeLimit", to="2Gi"), "evicted"),
        ("Deployment", _set(*POD, "serviceAccountName", to="admin"), "ServiceAccount admin, which is not there"),
        ("Deployment", _set("spec", "strategy", "rollingUpdate", "maxUnavailable", to="25%"), "below capacity"),
        ("Deployment", _set("spec", "selector", "matchLabels", to={"a": "b"}), "its own Pods do not carry"),
        ("HorizontalPodAutoscaler", _set("spec", "scaleTargetRef", "name", to="other"), "scales other"),
        ("HorizontalPodAutoscaler", _set("spec", "minReplicas", to=1), "single server"),
        ("PodDisruptionBudget", _set("spec", "selector", "matchLabels", to={"a": "b"}), "no Pod carries"),
        ("ServiceAccount", _set("automountServiceAccountToken", to=True), "token"),
        ("PersistentVolumeClaim", _set("metadata", "name", to="other"), "PersistentVolumeClaim eoseg-models"),
    ],
)
def test_a_policy_that_is_broken_is_found(kind: str, spoil: Callable[[Document], None], fault: str) -> None:
    documents = build("overlays/cpu")
    spoil(the(documents, kind))
    assert any(fault in one for one in faults(documents)), faults(documents)


def test_the_config_files_are_what_eoseg_writes(writer: ModuleType) -> None:
    for path, text in writer.files().items():
        assert path.read_text() == text, "run python kubeflow/manifests/write_configs.py"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_server_is_told_what_eoseg_would_tell_it(folder: str, writer: ModuleType, tmp_path: Path) -> None:
    documents = build(folder)
    wanted = writer.GPU if folder.endswith("gpu") else writer.CPU
    sources = next(volume for volume in serving_pod(documents)["volumes"] if volume["name"] == "config")
    for source in sources["projected"]["sources"]:
        for name, text in the(documents, "ConfigMap", source["configMap"]["name"])["data"].items():
            (tmp_path / name).write_text(text)
    read = read_config_files(tmp_path, wanted.port, wanted.rest_port)
    assert read.model_copy(update={"models_poll_seconds": wanted.models_poll_seconds}) == wanted
    flags = [*models_file_flags(for_container(wanted), "/config"), *file_flags(wanted, "/config")]
    told = server(documents)["args"]
    assert told[: len(flags)] == flags
    assert "--enable_grpc_healthcheck_service=true" in told, "or the probes get UNIMPLEMENTED"
    ports = {port["name"]: port["containerPort"] for port in server(documents)["ports"]}
    assert ports == {"grpc": wanted.port, "rest": wanted.rest_port}


def test_the_image_is_the_one_whose_contract_the_embedded_server_follows() -> None:
    images = {folder: server(build(folder))["image"] for folder in OVERLAYS}
    assert images == {"overlays/cpu": IMAGE, "overlays/gpu": f"{IMAGE}-gpu", "overlays/s3": IMAGE}


@pytest.mark.parametrize("folder", ["overlays/cpu", "overlays/s3"])
def test_tensorflow_starts_no_more_threads_than_the_container_may_use(folder: str) -> None:
    container = server(build(folder))
    limit = container["resources"]["limits"]["cpu"]
    for flag in ("intra", "inter"):
        assert f"--tensorflow_{flag}_op_parallelism={limit}" in container["args"]


def test_only_the_gpu_overlay_asks_for_a_gpu(writer: ModuleType) -> None:
    asked = {folder: server(build(folder))["resources"]["limits"].get("nvidia.com/gpu") for folder in OVERLAYS}
    assert asked == {"overlays/cpu": None, "overlays/gpu": "1", "overlays/s3": None}
    limit = server(build("overlays/gpu"))["resources"]["limits"]["cpu"]
    assert writer.GPU.batching.num_batch_threads == int(limit)


def test_a_changed_batching_rolls_the_servers_over_and_a_moved_label_does_not() -> None:
    names = {
        folder: sorted(one["metadata"]["name"] for one in build(folder) if one["kind"] == "ConfigMap")
        for folder in OVERLAYS
    }
    cpu, gpu = names["overlays/cpu"], names["overlays/gpu"]
    assert cpu[0] == gpu[0] == "eoseg-models-config"
    assert cpu[1] != gpu[1]
    assert all(name.startswith("eoseg-server-config-") for name in (cpu[1], gpu[1]))


def test_prometheus_finds_the_metrics(writer: ModuleType) -> None:
    documents = build("overlays/cpu")
    annotations = the(documents, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    path = writer.CPU.monitoring.path
    assert annotations["prometheus.io/path"] == path
    assert int(annotations["prometheus.io/port"]) == writer.CPU.rest_port
    monitor = yaml.safe_load((MANIFESTS / "components" / "servicemonitor" / "service_monitor.yaml").read_text())
    (endpoint,) = monitor["spec"]["endpoints"]
    chosen = [
        one
        for one in documents
        if one["kind"] == "Service"
        and monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
        and endpoint["port"] in {port["name"] for port in one["spec"]["ports"]}
    ]
    assert [one["metadata"]["name"] for one in chosen] == ["eoseg"]
    assert endpoint["path"] == path


def test_requests_stop_before_the_server_does() -> None:
    pod = serving_pod(build("overlays/cpu"))
    _, seconds = server(build("overlays/cpu"))["lifecycle"]["preStop"]["exec"]["command"]
    assert 10 <= int(seconds) < pod["terminationGracePeriodSeconds"]


def test_the_store_takes_the_volumes_place() -> None:
    documents = build("overlays/s3")
    assert "PersistentVolumeClaim" not in {one["kind"] for one in documents}
    pod = serving_pod(documents)
    assert [one["name"] for one in containers(pod)] == [
        "first-models",
        *sorted(one["name"] for one in pod["containers"]),
    ]
    models = next(volume for volume in pod["volumes"] if volume["name"] == "models")
    assert models.keys() == {"name", "emptyDir"}
    writable = {
        one["name"]
        for one in containers(pod)
        for mount in one["volumeMounts"]
        if mount["name"] == "models" and not mount.get("readOnly")
    }
    assert writable == {"first-models", "models"}, "the server itself only reads"


def test_retraining_is_a_command_that_eoseg_has() -> None:
    pod = pod_template(the(build("retraining"), "CronJob"))
    assert pod is not None
    (container,) = pod["spec"]["containers"]
    parser = build_parser()
    arguments = parser.parse_args(container["args"])
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(Path(arguments.config).parent), arguments.workdir} <= mounts
    rules = the(build("retraining"), "CronJob")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"]["values"] == [2, 3], "bad input, and a model refused by its gates"


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 0)])
def test_a_retraining_that_finds_nothing_new_is_no_failure(code: int, wanted: int, tmp_path: Path) -> None:
    (container,) = the(build("retraining"), "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    stand_in = tmp_path / "eoseg"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit {code}\n')
    stand_in.chmod(0o755)
    done = subprocess.run([*container["command"], *container["args"]], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == wanted
    assert (tmp_path / "arguments").read_text().splitlines() == container["args"]


def test_retraining_publishes_where_the_servers_read(tmp_path: Path) -> None:
    documents = build("retraining")
    (data,) = (one["data"] for one in documents if one["kind"] == "ConfigMap")
    (tmp_path / "eoseg.yaml").write_text(data["eoseg.yaml"])
    container = the(documents, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    overrides = [word for before, word in itertools.pairwise(container["args"]) if before == "--set"]
    config = load_config(str(tmp_path / "eoseg.yaml"), overrides, str(tmp_path))
    base = server(build("overlays/cpu"))["volumeMounts"]
    assert config.publish.model_base in {mount["mountPath"] for mount in base if mount["name"] == "models"}
    assert config.publish.model_name == "eoseg"
    assert str(config.data.root) in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_kserve_serves_with_the_same_batching() -> None:
    documents = build("kserve")
    predictor = the(documents, "InferenceService")["spec"]["predictor"]
    name = predictor["volumes"][0]["configMap"]["name"]
    config = the(documents, "ConfigMap", name)["data"]
    named = [Path(word.partition("=")[2]).name for word in predictor["model"]["args"] if "_file=" in word]
    assert named == ["batching_parameters.txt"]
    assert set(named) <= config.keys()
    claim, _, model = predictor["model"]["storageUri"].removeprefix("pvc://").partition("/")
    assert the(documents, "PersistentVolumeClaim")["metadata"]["name"] == claim
    assert model == "eoseg"
    assert predictor["model"]["runtimeVersion"] == IMAGE.partition(":")[2]
    # What it says of Pods, Kubernetes' own schema judges.
    container = {key: predictor["model"][key] for key in ("args", "resources", "securityContext", "volumeMounts")}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", **container}],
            **{key: predictor[key] for key in ("volumes", "securityContext", "automountServiceAccountToken")},
        },
    }
    kubernetes_validate.validate(pod, VERSIONS[-1], strict=True)


OF_OPERATORS = {
    "InferenceService": (
        "github.com/kserve/kserve@v0.15.2",
        "config/crd/full/serving.kserve.io_inferenceservices.yaml",
        "kserve",
    ),
    "ServiceMonitor": (
        "github.com/prometheus-operator/prometheus-operator@v0.82.0",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "components/servicemonitor/service_monitor.yaml",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_OPERATORS)
def test_the_operators_own_schema_knows_every_field(kind: str, tmp_path: Path) -> None:
    module, file, source = OF_OPERATORS[kind]
    path = MANIFESTS / source
    documents = build(source) if path.is_dir() else [yaml.safe_load(path.read_text())]
    document = the(documents, kind)
    crd = yaml.safe_load((go_module(module, tmp_path) / file).read_text())
    version = document["apiVersion"].partition("/")[2]
    (schema,) = (one["schema"]["openAPIV3Schema"] for one in crd["spec"]["versions"] if one["name"] == version)
    validator = jsonschema.Draft202012Validator(closed(schema) | {"title": kind})
    assert [error.message for error in validator.iter_errors(document)] == []
    document["spec"]["misspelt"] = 1
    assert not validator.is_valid(document)


def closed(schema: Any) -> Any:
    """A CRD's schema as an API server with strict field validation takes it: no other fields."""
    if not isinstance(schema, dict):
        return schema
    found = {key: value for key, value in schema.items() if key not in ("format", "default")}
    if "properties" in found:
        found["properties"] = {key: closed(value) for key, value in found["properties"].items()}
        # Kubernetes knows these everywhere, whatever a CRD says of them.
        is_top = {"kind", "metadata"} <= found["properties"].keys()
        if not is_top and not found.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
        if is_top:
            found["properties"]["metadata"] = {"type": "object"}
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = closed(found[key])
    if found.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    return found


def test_no_manifest_names_a_registry_or_a_node() -> None:
    for path in MANIFESTS.rglob("*.yaml"):
        images = re.findall(r"image: (\S+)", path.read_text())
        assert not [image for image in images if "." in image.partition("/")[0] and "/" in image], path
        assert "nodeName" not in path.read_text(), path


def test_the_documented_kustomization_builds(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "cluster.md").read_text()
    (example,) = re.findall(r"```yaml\n(apiVersion: kustomize.*?)```", text, re.DOTALL)
    manifests = os.path.relpath(MANIFESTS, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(example.replace("EOSeg/kubeflow/manifests", manifests))
    documents = build(tmp_path)
    pod = serving_pod(documents)
    images = {one["name"]: one["image"] for one in containers(pod)}
    assert images["models"] == images["first-models"] == "registry.example/eoseg:0.1.0"
    names = {one["configMapRef"]["name"] for one in pod["initContainers"][0]["envFrom"] if "configMapRef" in one}
    (store,) = (the(documents, "ConfigMap", name)["data"] for name in names)
    assert store == {
        "EOSEG_STORE": "s3://my-bucket/served",
        "AWS_ENDPOINT_URL": "https://minio.example",
        "AWS_REGION": "us-east-1",
    }
    assert the(documents, "HorizontalPodAutoscaler")["spec"]["maxReplicas"] == 20
    assert the(documents, "ServiceMonitor")
    assert faults(documents) == []


def test_what_the_documentation_names_is_there() -> None:
    paths = re.findall(r"(?:tests/)?kubeflow/[\w/.-]+\w", (ROOT / "docs" / "cluster.md").read_text())
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []
