"""The key `kubeflow` of a configuration: how its pipeline is compiled for a cluster, and where runs are handed in."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.options import Options

OBJECT_STORES = ("s3", "gs", "minio")
"""The schemes that the launcher of Kubeflow Pipelines carries artifacts to and from (`LocalPathForURI` there)."""

EVERY_STEP = "every"
"""The key of `resources` that stands for all steps without one of their own."""

TRAINER = "Trainer"

Quantity = str


class StepResources(Options):
    """What a step's container asks for, as Kubernetes writes quantities: `500m`, `4`, `8Gi`."""

    cpu: Quantity | None = None
    """Cores that a node must have free."""
    memory: Quantity | None = None
    """Memory that a node must have free."""
    cpu_limit: Quantity | None = None
    """Cores that it gets at most."""
    memory_limit: Quantity | None = None
    """Memory above which it is killed."""

    @field_validator("cpu", "cpu_limit")
    @classmethod
    def _is_a_number_of_cores(cls, cores: Quantity | None) -> Quantity | None:
        if cores is not None and not re.fullmatch(r"\d+(\.\d+)?|\d+m", cores):
            raise ValueError("write cores as '2', '0.5' or '500m'")
        return cores

    @field_validator("memory", "memory_limit")
    @classmethod
    def _is_an_amount_of_memory(cls, memory: Quantity | None) -> Quantity | None:
        if memory is not None and not re.fullmatch(r"\d+(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?", memory):
            raise ValueError("write memory as '8Gi', '500Mi' or bytes")
        return memory


class GpuOptions(Options):
    """What the trainer trains on."""

    count: int = Field(default=1, ge=1)
    """Accelerators of the trainer."""
    resource: str = Field(default="nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$")
    """The name that the device plug-in gives the accelerator."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that the trainer's node must have."""
    tolerate: bool = True
    """Tolerate a taint named as the resource, which clusters keep other work off their accelerators by."""


class VolumeOptions(Options):
    """A PersistentVolumeClaim that every step mounts."""

    claim: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    """The claim's name."""
    mount_path: str = Field(pattern=r"^/[^:]+$")
    """Where each step sees it: `/data`."""


class SecretOptions(Options):
    """A Kubernetes secret whose keys become environment variables of every step."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    """The secret's name."""
    keys: dict[str, str] = Field(min_length=1)
    """Variable -> key of the secret."""


class SubmitOptions(Options):
    """Where compiled pipelines are handed in. Tokens stand in no configuration: see `eoseg kubeflow submit --help`."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/\S*)?$")
    """The address of the Kubeflow Pipelines API; None is the variable KF_PIPELINES_ENDPOINT."""
    ui: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """The address that links are made of, where it is not the endpoint."""
    experiment: str | None = None
    """None is the pipeline's name."""
    namespace: str | None = None
    """For clusters with several users."""
    service_account: str | None = None
    """The account that the steps run under; None is the cluster's default."""


class KubeflowOptions(Options):
    """How the pipeline is compiled for a cluster.

    Raises:
        pydantic.ValidationError: On wrong values, or places that cannot be.
    """

    image: str | None = Field(default=None, pattern=r"^[^\s:@]+(:\d+)?[^\s:@]*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$")
    """The container image with EOSeg installed, by tag or, better, by digest; the steps' `python` must be its own."""
    pipeline_root: str | None = None
    """`s3://bucket/prefix`, `gs://...`, `minio://...`, or None for the cluster's own; or a folder on a volume: the
    artifacts are then kept there and only their metadata in the cluster's store."""
    workdir: str | None = Field(default=None, pattern=r"^/")
    """A folder, on a volume that every step mounts, for what outlives a run: checkpoints, reports, the served
    versions, what was blessed last. None is the pipeline's name on the first volume."""
    data_root: str | None = None
    """Where the tiles are in the cluster, as the run-time parameter's default; None is where they are here."""
    volumes: tuple[VolumeOptions, ...] = ()
    """PersistentVolumeClaims that every step mounts."""
    secrets: tuple[SecretOptions, ...] = ()
    """Secrets whose keys become environment variables of every step."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variable -> value, for every step; passwords belong into `secrets`."""
    image_pull_secret: str | None = None
    """Name of the secret that opens the image's registry; None needs none."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When a node fetches the image; None is the cluster's default."""
    resources: dict[str, StepResources] = Field(default_factory=dict)
    """By the step's name (`Trainer`, `TileExampleGen`, ...); `every` stands for those not named."""
    gpu: GpuOptions | None = None
    cache: bool = True
    """Reuse steps whose inputs did not change. Steps that read tiles are then reused by the tiles' fingerprint,
    which each run takes anew."""
    submit: SubmitOptions = SubmitOptions()

    @field_validator("pipeline_root")
    @classmethod
    def _is_a_store_or_a_folder(cls, root: str | None) -> str | None:
        stores = "|".join(OBJECT_STORES)
        if root is not None and not re.fullmatch(rf"(({stores})://[^/\s]+(/\S*)?|/\S*)", root):
            raise ValueError("write s3://bucket/prefix, gs://..., minio://..., or the path of a mounted folder")
        return root.rstrip("/") if root else None

    @field_validator("volumes")
    @classmethod
    def _lie_apart(cls, volumes: tuple[VolumeOptions, ...]) -> tuple[VolumeOptions, ...]:
        paths = [volume.mount_path.rstrip("/") for volume in volumes]
        if len(set(paths)) < len(paths):
            raise ValueError("two volumes have the same mount_path")
        return volumes

    @model_validator(mode="after")
    def _steps_share_a_folder(self) -> "KubeflowOptions":
        for name, path in (("pipeline_root", self.pipeline_root), ("workdir", self.workdir)):
            if self.volumes and path is not None and path.startswith("/") and not self._is_mounted(path):
                raise ValueError(f"{name} {path} is on none of the volumes")
        return self

    def _is_mounted(self, path: str) -> bool:
        mounts = [volume.mount_path.rstrip("/") + "/" for volume in self.volumes]
        return any(f"{path.rstrip('/')}/".startswith(mount) for mount in mounts)

    @property
    def root_folder(self) -> str | None:
        """The folder on a volume that artifacts are kept in; None where the launcher carries them."""
        return self.pipeline_root if self.pipeline_root and self.pipeline_root.startswith("/") else None

    def shared_folder(self, pipeline: str) -> str | None:
        """`workdir`, or what stands for it; None where there is no volume either."""
        if self.workdir is not None:
            return self.workdir.rstrip("/")
        first = self.root_folder or next((volume.mount_path.rstrip("/") for volume in self.volumes), None)
        return f"{first}/{pipeline}" if first else None
