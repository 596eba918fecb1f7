"""Where an artifact lies inside a step's container: its URI as a local path, and back.

Kubeflow's launcher copies a step's input artifacts to local folders before the step runs, and its outputs from there
to the store afterwards (`LocalPathForURI` in backend/src/v2/component/launcher_v2.go of kubeflow/pipelines); it refuses
any other scheme. So a step reads and writes local files only: it needs no credentials of the store and none of its
clients. With another base than `/`, the same folders lie on a volume instead, and the launcher finds nothing to copy.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

FOLDERS = {"gs": "gcs", "s3": "s3", "minio": "minio"}

LAUNCHER_BASE = "/"


def local_path(uri: str, base: str = LAUNCHER_BASE) -> str:
    """The local path of an artifact; a URI of no known scheme, or a path, stays as it is."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in FOLDERS:
        return uri
    return f"{base.rstrip('/')}/{FOLDERS[scheme]}/{rest}"


def artifact_uri(path: str, base: str = LAUNCHER_BASE) -> str:
    """The URI that a local path stands for; the inverse of `local_path`."""
    for scheme, folder in FOLDERS.items():
        prefix = f"{base.rstrip('/')}/{folder}/"
        if path.startswith(prefix):
            return f"{scheme}://{path.removeprefix(prefix)}"
    return path


def artifacts_in(half: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The artifacts of one half (`inputs`, `outputs`) of an executor input, or of an executor output, by their key."""
    for key, found in half.get("artifacts", {}).items():
        for artifact in found.get("artifacts", []):
            yield key, artifact


def with_uris(half: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A copy in which every artifact's URI is changed."""
    copy: dict[str, Any] = json.loads(json.dumps(half))
    for _, artifact in artifacts_in(copy):
        artifact["uri"] = change(artifact.get("uri", ""))
    return copy
