"""The typed configuration of one data set: every key of the YAML file, validated at once."""

import re
from collections.abc import Mapping

from pydantic import Field, field_validator, model_validator

from components.classes import ClassTable, LandClass
from components.data_statistics.options import StatisticsOptions
from components.errors import NetworkError
from components.evaluation.evaluation_options import EvaluationOptions
from components.geo.bands import BandSet
from components.geo.label_options import ColorLabels, LabelOptions, VectorLabels
from components.geo.patches import PatchOptions
from components.geo.zones import ZoneOptions
from components.label_validation.options import ValidationOptions
from components.mapping.augmentation import Augment
from components.mapping.map_options import MapOptions
from components.mapping.patch_axis import Blend
from components.options import Options
from components.publishing.model_card_options import ModelCardOptions
from components.training.network_fit import check_batch, check_network
from components.training.options import NetworkOptions, TrainingOptions
from components.training.tuning_options import TuningOptions
from serving.batching import BatchingOptions
from tfx_pipeline.beam_runner import BeamOptions
from tfx_pipeline.data_options import DataOptions
from tfx_pipeline.kubeflow_options import KubeflowOptions
from tfx_pipeline.metadata_options import MetadataOptions
from tfx_pipeline.tile_root import expanded, join


class SampleScenesOptions(Options):
    """Scenes to generate before the run, into `scenes` in the working directory, in the place of `data.root` (the
    demo's data)."""

    tiles: int = Field(default=10, ge=2)
    """How many tiles."""
    size_px: int = Field(default=512, ge=64)
    """Pixels a side of each."""
    ground_sample_distance_m: float = Field(default=0.5, gt=0)
    """Side of a pixel on the ground, in metres."""
    seed: int = 1
    """Another number draws another town."""


class PublishOptions(Options):
    """Where versions go."""

    model_base: str | None = None
    """The folder that TensorFlow Serving is pointed at; None is `served` in the working directory."""
    model_name: str = Field(default="eoseg", pattern=r"^[A-Za-z0-9_.-]+$")
    """The name that the model is served under."""
    card: ModelCardOptions = ModelCardOptions()
    """What the model card says that no program can know."""


class RunMapOptions(Options):
    """Which tiles are predicted to maps at the end of a run, and how. Whole tiles are evaluated in the same way."""

    tiles: tuple[str, ...] | None = None
    """Tile ids; None takes the first tile of the evaluated split."""
    overlap: float = Field(default=0.25, ge=0, lt=0.95)
    """Share of a patch that its neighbour covers again."""
    blend: Blend = "hann"
    """What counts where patches overlap: as `eoseg predict --blend`."""
    augment: Augment = "none"
    """`flips` takes the mean over 4 mirror images, `d4` over quarter turns too (8), for as many times the work."""

    def making(self, rasters: Mapping[str, str] | None = None) -> MapOptions:
        """How maps are made; `rasters`: the tile's further rasters by name."""
        return MapOptions(overlap=self.overlap, blend=self.blend, augment=self.augment, rasters=dict(rasters or {}))


class Config(Options):
    """One data set, from its tiles to where its versions are published."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    """Names the pipeline in ML Metadata."""
    workdir: str | None = None
    """Where everything that a run makes goes; None is `work/<name>` in the current directory."""
    artifacts: str | None = None
    """Where TFX's artifacts go: a folder, or `s3://bucket/prefix`; None is `artifacts` in the working directory."""
    sample_scenes: SampleScenesOptions | None = None
    data: DataOptions
    classes: tuple[LandClass, ...]
    """The classes, the first one with id 0: at least two."""
    void: tuple[LandClass, ...] = ()
    """Colours that count neither in training nor in evaluation."""
    labels: LabelOptions = ColorLabels()
    """What form the labels have, and how they become classes: one of four kinds."""
    validation: ValidationOptions = ValidationOptions()
    statistics: StatisticsOptions = StatisticsOptions()
    patches: PatchOptions = PatchOptions()
    network: NetworkOptions = NetworkOptions()
    training: TrainingOptions = TrainingOptions()
    tuning: TuningOptions | None = None
    """A search before the training; its best takes the place of what `training` and `network` say."""
    evaluation: EvaluationOptions = EvaluationOptions()
    publish: PublishOptions = PublishOptions()
    batching: BatchingOptions = BatchingOptions()
    maps: RunMapOptions = RunMapOptions()
    beam: BeamOptions = BeamOptions()
    metadata: MetadataOptions = MetadataOptions()
    kubeflow: KubeflowOptions = KubeflowOptions()

    @field_validator("artifacts")
    @classmethod
    def _is_a_place_for_artifacts(cls, artifacts: str | None) -> str | None:
        if artifacts is not None and "://" in artifacts and not re.match(r"^s3://[^/]+/[^/]", artifacts):
            raise ValueError("write a folder or s3://bucket/prefix")
        return artifacts

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        table = self.table  # raises on twins
        self.evaluation.check_names(table.names)
        self.training.check_classes(table.names)
        self.data.check_labels(self.labels.kind, table.names)
        self.patches.check_classes(table.names)
        self._check_ignore()
        self._check_blocks()
        self._check_sample_scenes()
        self._check_class_weights()
        self._check_auxiliary_loss()
        self._check_tuning()
        self._check_network()
        return self

    def _check_ignore(self) -> None:
        if self.data.images and not self.data.ignore and "ignore" in self.labels.model_fields_set:
            raise ValueError("labels.ignore says how the rasters of data.ignore mark pixels; there is no data.ignore")

    def _check_sample_scenes(self) -> None:
        if self.sample_scenes is not None and self.data.root != type(self.data).model_fields["root"].default:
            raise ValueError(
                f"data.root is {self.data.root}, but sample_scenes are generated and taken in its place; remove "
                "sample_scenes to read your own tiles, or data.root"
            )

    def _check_blocks(self) -> None:
        if self.data.blocks is not None:
            self.data.blocks.check_patch(self.patches.size * self.patches.downsample)

    def _check_network(self) -> None:
        try:
            check_network(self.network, self.patches.size, self.band_set.names)
            check_batch(self.network, self.training.batch_size)
        except NetworkError as error:
            raise ValueError(f"{error.problem}; {error.remedy}") from error

    def _check_class_weights(self) -> None:
        loss, searched = self.training.loss, self.tuning and self.tuning.losses
        if loss.cross_entropy or loss.focal or searched or self.training.class_weights == "none":
            return
        for key in ("class_weights", "max_class_weight", "effective_number_beta"):
            if getattr(self.training, key) != type(self.training).model_fields[key].default:
                raise ValueError(
                    f"training.{key} is given, but training.loss has no mean over pixels that class weights could "
                    "weigh; add cross_entropy or focal to it, or remove the key"
                )

    def _check_auxiliary_loss(self) -> None:
        auxiliary = self.training.loss.auxiliary
        usual = type(self.training.loss).model_fields["auxiliary"].default
        if auxiliary not in (0, usual) and not self.network.deep_supervision:
            raise ValueError(
                f"training.loss.auxiliary is {auxiliary:g}, but the network has no further outputs to weigh; set "
                "network.deep_supervision, or remove the key"
            )
        if self.network.name == "pspnet" and self.network.deep_supervision and not auxiliary:
            raise ValueError(
                "training.loss.auxiliary is 0, which leaves nothing of PSPNet's network.deep_supervision: its further "
                "output is there to be trained only; give a weight (0.4 is the paper's), or remove the latter"
            )

    def _check_tuning(self) -> None:
        if self.tuning is None:
            return
        if self.network.pretrained != "none" and any(width != 1 for width in self.tuning.widths):
            raise ValueError(
                f"tuning.widths is {list(self.tuning.widths)}, but the weights of network.pretrained are of width 1; "
                "remove one of them"
            )
        if self.training.strategy == "multi_worker":
            raise ValueError(
                "tuning searches on one machine, but training.strategy is multi_worker; search without it, then write "
                "what was found into network and training"
            )

    @property
    def label_options(self) -> LabelOptions:
        """`labels`, with the paths in it complete."""
        if isinstance(self.labels, VectorLabels) and self.labels.grid_sizes:
            path = join(expanded(self.data.root), expanded(self.labels.grid_sizes))
            return self.labels.model_copy(update={"grid_sizes": path})
        return self.labels

    @property
    def zones(self) -> ZoneOptions | None:
        """`evaluation.zones`, with a complete path."""
        zones = self.evaluation.zones
        if zones is None:
            return None
        return zones.model_copy(update={"file": join(expanded(self.data.root), expanded(zones.file))})

    @property
    def band_set(self) -> BandSet:
        """The bands of a record."""
        return self.data.band_set

    @property
    def table(self) -> ClassTable:
        """Classes and void colours as one table."""
        return ClassTable(classes=self.classes, void=self.void)
