"""What EOSeg's manifests are held to beyond Kubernetes' schemas: nothing dangerous, nothing that points nowhere."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]
_SPARED_NAMES = re.compile(r"(.+@sha256:[0-9a-f]{64}|[^:]+:[^:@]*\d[^:@]*)")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def faults(documents: list[Document]) -> list[str]:
    """All that is wrong, in words that start with the document's kind and name."""
    found: list[str] = []
    for document in documents:
        checks = [*_of_any(document)]
        pod = pod_template(document)
        if pod is not None:
            checks += [*_of_pod(pod["spec"]), *_references(pod["spec"], documents)]
        if document["kind"] == "Deployment":
            checks += _of_deployment(document)
        checks += _pointers(document, documents)
        found += [f"{document['kind']} {document['metadata']['name']}: {fault}" for fault in checks]
    return found


def pod_template(document: Document) -> Document | None:
    """What a workload's Pods are made from."""
    spec = document.get("spec", {})
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Document | None = spec.get("template") if document["kind"] in ("Deployment", "CronJob", "Job") else None
    return template


def containers(pod: Document) -> list[Document]:
    """All containers of a Pod's spec."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _of_any(document: Document) -> Iterator[str]:
    where = document["metadata"].get("namespace")
    if document["kind"] != "Namespace" and where != "eoseg":
        yield f"is in namespace {where}"
    if document["kind"] == "Secret":
        yield "is a secret in the repository"
    if document["kind"] in ("ServiceAccount",) and document.get("automountServiceAccountToken") is not False:
        yield "mounts its token"
    if document["kind"] == "Service" and document["spec"].get("type", "ClusterIP") != "ClusterIP":
        yield "is open to the outside"


def _of_pod(pod: Document) -> Iterator[str]:
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts the account's token"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"has {name}"
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    for name, volume in volumes.items():
        if "hostPath" in volume:
            yield f"volume {name} is a path of the host"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"volume {name} may fill the node's disk"
    volumes_size = sum(
        _bytes((volume["emptyDir"] or {}).get("sizeLimit", "0")) for volume in volumes.values() if "emptyDir" in volume
    )
    # Kubernetes evicts a Pod whose containers and volumes together use more than its containers may.
    allowed = sum(
        _bytes(one.get("resources", {}).get("limits", {}).get("ephemeral-storage", "0")) for one in pod["containers"]
    )
    if volumes_size > allowed:
        yield f"is evicted when its volumes are full: {volumes_size} bytes of {allowed}"
    for container in containers(pod):
        for fault in _of_container(container, set(volumes)):
            yield f"container {container['name']} {fault}"


def _bytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi").removesuffix("Gi")) << {"Mi": 20, "Gi": 30}.get(quantity[-2:], 0)


def _of_container(container: Document, volumes: set[str]) -> Iterator[str]:
    image = container["image"]
    if not _SPARED_NAMES.fullmatch(image) or image.endswith(":latest"):
        yield f"has the moving image {image}"
    security = container.get("securityContext", {})
    if security.get("privileged"):
        yield "is privileged"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write into its image"
    if security.get("capabilities", {}).get("drop") != ["ALL"] or security["capabilities"].get("add"):
        yield "keeps capabilities"
    for kind in ("requests", "limits"):
        missing = {"cpu", "memory"} - container.get("resources", {}).get(kind, {}).keys()
        if missing:
            yield f"has no {kind} for {', '.join(sorted(missing))}"
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            yield f"mounts the volume {mount['name']}, which is not there"
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    for probe in _PROBES if ports else ():
        asked = container.get(probe)
        if asked is None:
            yield f"has no {probe}"
            continue
        port = asked.get("grpc", asked.get("httpGet", {})).get("port")
        if port not in {*ports, *ports.values()}:
            yield f"has a {probe} on port {port}, which it does not open"


def _of_deployment(document: Document) -> Iterator[str]:
    update = document["spec"].get("strategy", {}).get("rollingUpdate", {})
    if update.get("maxUnavailable") != 0 or not update.get("maxSurge"):
        yield "an update goes below capacity"
    if "replicas" in document["spec"]:
        yield "says how many, as the autoscaler does"
    if not document["spec"]["template"]["spec"].get("topologySpreadConstraints"):
        yield "may put all Pods on one node"


def _references(pod: Document, documents: list[Document]) -> Iterator[str]:
    there = {(one["kind"], one["metadata"]["name"]) for one in documents}
    wanted = [("ServiceAccount", pod.get("serviceAccountName", "default"))]
    for volume in pod.get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", [volume]):
            if "configMap" in source:
                wanted.append(("ConfigMap", source["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            wanted.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for container in containers(pod):
        for source in container.get("envFrom", ()):
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if key in source and not source[key].get("optional"):
                    wanted.append((kind, source[key]["name"]))
    for kind, name in wanted:
        if (kind, name) not in there:
            yield f"needs the {kind} {name}, which is not there"


def _pointers(document: Document, documents: list[Document]) -> Iterator[str]:
    """Selectors and targets that fit nothing."""
    pods = [pod for pod in map(pod_template, documents) if pod is not None]
    kind, spec = document["kind"], document.get("spec", {})
    template = pod_template(document)
    if kind == "Deployment" and template is not None:
        for labels in (
            spec["selector"]["matchLabels"],
            *(one["labelSelector"]["matchLabels"] for one in template["spec"].get("topologySpreadConstraints", ())),
        ):
            if not _selects(labels, template):
                yield f"selects {labels}, which its own Pods do not carry"
    selector: Mapping[str, str] | None = None
    if kind == "Service":
        selector = spec["selector"]
    elif kind in ("PodDisruptionBudget", "NetworkPolicy"):
        selector = spec.get("selector", spec.get("podSelector", {})).get("matchLabels")
    chosen = pods if selector is None else [pod for pod in pods if _selects(selector, pod)]
    if not chosen and kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        yield f"selects {selector}, which no Pod carries"
    named = {port["name"] for pod in chosen for one in containers(pod["spec"]) for port in one.get("ports", ())}
    rules = [*spec.get("ingress", ()), *spec.get("egress", ())] if kind == "NetworkPolicy" else []
    asked = [port["targetPort"] for port in spec["ports"]] if kind == "Service" else []
    asked += [port["port"] for rule in rules for port in rule.get("ports", ())]
    for port in asked:
        if isinstance(port, str) and port not in named:
            yield f"names the port {port}, which no Pod opens"
    if kind == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        scaled = [
            one for one in documents if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
        ]
        if not scaled:
            yield f"scales {target['name']}, which is not there"
        names = {one["name"] for target in scaled for one in target["spec"]["template"]["spec"]["containers"]}
        for metric in spec["metrics"]:
            if metric["containerResource"]["container"] not in names:
                yield f"measures {metric['containerResource']['container']}, which is not there"
        if spec["minReplicas"] < 2:
            yield "a single server stops when its node does"


def _selects(labels: Mapping[str, str], template: Document) -> bool:
    return labels.items() <= template["metadata"].get("labels", {}).items()
