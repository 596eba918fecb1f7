"""The manifests as `kubectl apply -k` would send them."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
Document = dict[str, Any]


@cache
def builder() -> tuple[str, ...]:
    """`kustomize build`, or `kubectl kustomize` of a kubectl that knows components; skips where neither is there."""
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        said = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True).stdout
        if re.search(r"Kustomize Version: v[5-9]", said):
            return ("kubectl", "kustomize")
    pytest.skip("no kustomize 5 and no kubectl with it: the overlays cannot be built")


@cache
def _built(folder: Path) -> str:
    done = subprocess.run([*builder(), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(folder: Path | str) -> list[Document]:
    """The documents of a kustomization; fresh ones, that a test may change."""
    return [document for document in yaml.safe_load_all(_built(MANIFESTS / folder)) if document]


def the(documents: list[Document], kind: str, name: str | None = None) -> Document:
    """The one document of a kind (and name)."""
    (found,) = (one for one in documents if one["kind"] == kind and (name is None or one["metadata"]["name"] == name))
    return found


def containers_named(pod: Document) -> dict[str, Document]:
    """All containers of a Pod's spec, by name."""
    return {one["name"]: one for one in [*pod.get("initContainers", ()), *pod["containers"]]}
