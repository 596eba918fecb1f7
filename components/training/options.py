"""What is trained, and how."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from components.dataset.augment_options import AugmentOptions
from components.dataset.order import Sampling
from components.option_numbers import INT32_LARGEST, NonNegativeFloat32, PositiveFloat32
from components.options import Options
from components.training.loss_options import LossOptions
from components.training.network_options import NetworkOptions as NetworkOptions


class TrainingOptions(Options):
    """How a network is trained.

    Raises:
        pydantic.ValidationError: On unknown keys, wrong values, or settings that contradict each other.
    """

    steps: PositiveInt = Field(default=2000, le=INT32_LARGEST)
    """Optimiser steps in all."""
    epochs: Annotated[PositiveInt, Field(le=1_000_000)] | None = None
    """Passes through the training records; where given it takes the place of `steps`."""
    batch_size: PositiveInt = Field(default=16, le=65536)
    """Patches a step."""
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """AdamW; Adam, whose weight decay is part of the gradient; or stochastic gradient descent with momentum 0.9, the
    papers'."""
    learning_rate: PositiveFloat32 = 1e-3
    """At the end of the warm-up, where there is one, else at the start."""
    encoder_learning_rate_factor: NonNegativeFloat32 = 1.0
    """Times the learning rate for the encoder's variables: 0.5 in DeepNetsForEO; 0 leaves them as they are."""
    schedule: Literal["cosine", "polynomial", "steps", "constant"] = "cosine"
    """How the learning rate falls: to zero at the last step (polynomial is (1 - done) ** 0.9), or at `decay_at`."""
    decay_at: tuple[float, ...] = (0.5, 0.7, 0.9)
    """Of schedule `steps`: the shares of the training after which the rate falls; in DeepNetsForEO epochs 25, 35 and 45
    of 50."""
    decay_factor: float = Field(default=0.1, gt=0, lt=1)
    """Of schedule `steps`: what the rate is multiplied by each time."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which the learning rate rises from zero."""
    weight_decay: NonNegativeFloat32 = 1e-4
    """On convolution kernels only. Of AdamW and SGD it is decoupled: a step shrinks a kernel by rate times decay."""
    weight_decay_kind: Literal["decoupled", "l2"] | None = None
    """`l2` adds decay times kernel to the gradient, as Caffe and the papers do: with momentum 0.9 a decay ten times as
    strong as the decoupled one. None: `l2` for Adam, else `decoupled`."""
    gradient_clip: PositiveFloat32 | None = None
    """Largest global norm of the gradients; None leaves them as they are."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Keep a moving average of the weights with this decay (0.999 is usual); it is what is evaluated and exported."""
    early_stopping_epochs: PositiveInt | None = None
    """Stop after so many epochs without a better eval mean IoU; None never does."""
    export: Literal["last", "best"] = "last"
    """Which weights are exported: the last ones, or those of the epoch with the best eval mean IoU."""
    warm_start: Literal["none", "blessed"] = "none"
    """`blessed`: start from the weights of the latest blessed model that was trained on other records, if it has the
    same network, bands and classes; else, and without such a model, as with `none`."""
    loss: LossOptions = LossOptions(cross_entropy=1.0)
    class_weights: Literal["median_frequency", "effective_number", "none"] | dict[str, NonNegativeFloat32] = (
        "median_frequency"
    )
    """Median frequency balancing as in the SegNet paper, the effective number of samples (Cui et al. 2019), all classes
    alike, or given by class name (1 where not named). Of the losses that are a mean over pixels."""
    max_class_weight: PositiveFloat32 = 10.0
    """Cuts the weights of very rare classes, whose few pixels would otherwise rule the gradient."""
    effective_number_beta: float = Field(default=0.999999, gt=0, lt=1)
    """Of `effective_number`: 1 / (1 - beta) pixels of a class are as many as count in full; here a million."""
    sampling: Sampling = "uniform"
    """Every patch once an epoch, or as many draws with replacement that give each class the same chance
    (`components.dataset.order`). Then `class_weights: none` is the usual choice, else rare classes are favoured twice;
    and a class that few patches show repeats those few: the only patch with a class, of K, is every K-th patch seen."""
    augmentation: AugmentOptions = AugmentOptions()
    seed: NonNegativeInt = Field(default=0, lt=2**31)
    """Decides initial weights, order and augmentation."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Of the computation while training; weights, and the exported model, are float32. `mixed_float16` scales the loss,
    so that small gradients are not lost."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """`gpu` refuses to train where TensorFlow sees none; `auto` takes what there is."""
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    """`mirrored` splits each batch over all devices of the machine, `multi_worker` over the machines of TF_CONFIG;
    `auto`: over machines if TF_CONFIG names several, else over GPUs if there are several."""
    jit_compile: bool = False
    """Compile the training step with XLA. Off, because TensorFlow's own oneDNN kernels win on CPUs with AVX-512: 0.20 s
    against 0.41 s a step of 8 patches of 128 px at width 0.25, on 2 cores. Measure before switching it on."""
    steps_per_epoch: PositiveInt | None = None
    """Steps between two progress lines, each with an evaluation; None is one pass through the training records."""
    checkpoint_every: PositiveInt | None = None
    """Steps between two checkpoints; None is after each epoch."""

    profile_steps: tuple[PositiveInt, PositiveInt] | None = None
    """First and last step of a TensorBoard profile, such as [10, 20]; None makes none. A training that goes on behind
    the first begins it at once, behind the last makes none and says so."""

    @model_validator(mode="after")
    def _warmup_ends(self) -> "TrainingOptions":
        if self.epochs is None and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} leaves nothing of {self.steps} steps; use fewer")
        return self

    @model_validator(mode="after")
    def _shares_rise(self) -> "TrainingOptions":
        if self.schedule == "steps" and not self.decay_at:
            raise ValueError("decay_at is empty, so that the rate never falls; give shares, or set schedule: constant")
        shares = (0.0, *self.decay_at, 1.0)
        if any(first >= second for first, second in pairwise(shares)):
            raise ValueError(f"decay_at is {list(self.decay_at)}; give rising shares of the training between 0 and 1")
        return self

    @model_validator(mode="after")
    def _nothing_is_idle(self) -> "TrainingOptions":
        computed = self.class_weights in ("median_frequency", "effective_number")
        belongings = (
            ("decay_at", self.schedule == "steps", "schedule: steps"),
            ("decay_factor", self.schedule == "steps", "schedule: steps"),
            ("effective_number_beta", self.class_weights == "effective_number", "class_weights: effective_number"),
            ("max_class_weight", computed, "class_weights that are computed"),
        )
        for key, heeded, owner in belongings:
            if not heeded and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} belongs to {owner}; set that, or remove it")
        if self.weight_decay_kind is not None and not self.weight_decay:
            raise ValueError("weight_decay_kind is given, but weight_decay is 0; set that, or remove it")
        return self

    @model_validator(mode="after")
    def _profile_ends(self) -> "TrainingOptions":
        if self.profile_steps and self.profile_steps[1] < self.profile_steps[0]:
            raise ValueError(
                f"profile_steps {list(self.profile_steps)} end before they begin; give first and last step"
            )
        if self.profile_steps and self.epochs is None and self.profile_steps[0] > self.steps:
            raise ValueError(f"profile_steps {list(self.profile_steps)} come after the last of {self.steps} steps")
        return self

    def check_classes(self, names: Sequence[str]) -> None:
        """Refuses class weights of classes that there are not.

        Raises:
            ValueError: It names them.
        """
        if isinstance(self.class_weights, dict):
            strange = [name for name in self.class_weights if name not in names]
            if strange:
                raise ValueError(
                    f"training.class_weights names {', '.join(strange)}; the classes are {', '.join(names)}"
                )

    def total_steps(self, records: int) -> int:
        """Steps in all, for a number of training records."""
        if self.epochs is None:
            return self.steps
        return max(1, -(-self.epochs * records // self.batch_size))

    def epoch_steps(self, records: int) -> int:
        """Steps from one progress line to the next, for a number of training records."""
        return self.steps_per_epoch or max(1, -(-records // self.batch_size))
