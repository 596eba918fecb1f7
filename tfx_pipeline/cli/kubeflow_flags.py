"""The flags of `eoseg kubeflow`: each stands for a key below `kubeflow`, and is laid over the configuration."""

import argparse
import json
from pathlib import Path

from components.errors import ConfigError

_TEXTS = {
    "image": "kubeflow.image",
    "pipeline_root": "kubeflow.pipeline_root",
    "cluster_workdir": "kubeflow.workdir",
    "data_root": "kubeflow.data_root",
    "image_pull_secret": "kubeflow.image_pull_secret",
    "image_pull_policy": "kubeflow.image_pull_policy",
    "gpu": "kubeflow.gpu.count",
    "gpu_resource": "kubeflow.gpu.resource",
    "endpoint": "kubeflow.submit.endpoint",
    "ui": "kubeflow.submit.ui",
    "experiment": "kubeflow.submit.experiment",
    "namespace": "kubeflow.submit.namespace",
    "service_account": "kubeflow.submit.service_account",
}


def add_compile_flags(parser: argparse.ArgumentParser) -> None:
    """What the cluster is to be asked for."""
    group = parser.add_argument_group("cluster")
    group.add_argument("--image", help="container image with EOSeg installed, by tag or digest")
    group.add_argument("--pipeline-root", metavar="PLACE", help="s3://, gs://, minio://, or a folder on a volume")
    group.add_argument("--cluster-workdir", metavar="DIR", help="folder on a volume for what outlives a run")
    group.add_argument("--data-root", metavar="PLACE", help="where the tiles are in the cluster")
    group.add_argument("--volume", action="append", metavar="CLAIM=PATH", help="volume of every step (repeatable)")
    group.add_argument(
        "--secret", action="append", metavar="NAME:VAR=KEY", help="key of a secret as a variable (repeatable)"
    )
    group.add_argument("--env", action="append", metavar="VAR=VALUE", help="environment variable (repeatable)")
    group.add_argument(
        "--resources",
        action="append",
        metavar="STEP:cpu=4,memory=8Gi",
        help="of a step, or of `every` one not named; also cpu_limit, memory_limit (repeatable)",
    )
    group.add_argument("--gpu", type=int, metavar="N", help="accelerators of the trainer")
    group.add_argument("--gpu-resource", metavar="NAME", help="as the device plug-in names it (nvidia.com/gpu)")
    group.add_argument(
        "--node-selector", action="append", metavar="LABEL=VALUE", help="of the trainer's node (repeatable)"
    )
    group.add_argument("--no-cache", action="store_true", help="run every step in every run")
    group.add_argument("--image-pull-secret", metavar="NAME")
    group.add_argument("--image-pull-policy", choices=("Always", "IfNotPresent", "Never"))


def add_submit_flags(parser: argparse.ArgumentParser) -> None:
    """Where runs are handed in, and how."""
    group = parser.add_argument_group("run")
    group.add_argument("--pipeline", type=Path, metavar="FILE", help="a compiled pipeline; CONFIG is not compiled then")
    group.add_argument("--endpoint", metavar="URL", help="the API's address")
    group.add_argument("--ui", metavar="URL", help="the address that links are made of, where it is another")
    group.add_argument("--experiment", help="name of the experiment (the pipeline's name)")
    group.add_argument("--name", help="name of the run or the schedule (the pipeline's name)")
    group.add_argument("--namespace", help="in clusters with several users")
    group.add_argument("--service-account", metavar="NAME")
    group.add_argument("--token-file", metavar="FILE", help="a file with a bearer token")
    group.add_argument("--ca-file", metavar="FILE", help="the endpoint's certificate authority")
    group.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the run (repeatable)")
    schedule = group.add_mutually_exclusive_group()
    schedule.add_argument("--cron", metavar="'S M H D M W'", help="a schedule; six fields, seconds first")
    schedule.add_argument("--every", type=int, metavar="SECONDS", help="a schedule")
    group.add_argument("--at-once", type=int, default=1, metavar="N", help="runs of a schedule under way together (1)")
    group.add_argument("--wait", action="store_true", help="wait for the run's end")
    group.add_argument("--timeout", type=float, default=86_400, metavar="SECONDS", help="of --wait (a day)")
    group.add_argument("--poll", type=float, default=10, metavar="SECONDS", help="between two looks at the run (10)")


def as_overrides(arguments: argparse.Namespace) -> list[str]:
    """The flags that were given, as `--set` takes them.

    Raises:
        ConfigError: On a flag without its equals sign or colon.
    """
    found = {key: getattr(arguments, name, None) for name, key in _TEXTS.items()}
    if arguments.no_cache:
        found["kubeflow.cache"] = False
    if arguments.volume:
        pairs = [pair("--volume", text) for text in arguments.volume]
        found["kubeflow.volumes"] = [{"claim": claim, "mount_path": path} for claim, path in pairs]
    if arguments.env:
        found["kubeflow.environment"] = dict(pair("--env", text) for text in arguments.env)
    if arguments.node_selector:
        found["kubeflow.gpu.node_selector"] = dict(pair("--node-selector", text) for text in arguments.node_selector)
    if arguments.secret:
        secrets: dict[str, dict[str, str]] = {}
        for text in arguments.secret:
            name, rest = _named("--secret", text)
            secrets.setdefault(name, {}).update([pair("--secret", rest)])
        found["kubeflow.secrets"] = [{"name": name, "keys": keys} for name, keys in secrets.items()]
    for text in arguments.resources or []:
        step, rest = _named("--resources", text)
        found[f"kubeflow.resources.{step}"] = dict(pair("--resources", part) for part in rest.split(","))
    return [f"{key}={json.dumps(value)}" for key, value in found.items() if value is not None]


def pair(flag: str, text: str) -> tuple[str, str]:
    """`KEY=VALUE` as two.

    Raises:
        ConfigError: If it is none.
    """
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise ConfigError(f"{flag} {text}", f"{flag} KEY=VALUE", "write both, with = between them")
    return key, value


def _named(flag: str, text: str) -> tuple[str, str]:
    name, colon, rest = text.partition(":")
    if not colon or not name or not rest:
        raise ConfigError(f"{flag} {text}", f"{flag} NAME:KEY=VALUE", "write the name and a colon first")
    return name, rest
