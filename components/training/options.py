"""What is trained, and how."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from components.dataset.augment_options import AugmentOptions
from components.dataset.order import Sampling
from components.options import Options
from components.training.network_options import NetworkOptions as NetworkOptions


class TrainingOptions(Options):
    """How a network is trained.

    Raises:
        pydantic.ValidationError: On unknown keys, wrong values, or a warm-up longer than the training.
    """

    steps: PositiveInt = 2000
    """Optimiser steps in all."""
    epochs: PositiveInt | None = None
    """Passes through the training records; where given it takes the place of `steps`."""
    batch_size: PositiveInt = 16
    """Patches a step."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or stochastic gradient descent with momentum 0.9 as in the papers."""
    learning_rate: PositiveFloat = 1e-3
    """At the end of the warm-up, where there is one, else at the start."""
    schedule: Literal["cosine", "polynomial", "constant"] = "cosine"
    """How the learning rate falls to zero at the last step; polynomial is (1 - done) ** 0.9."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which the learning rate rises from zero."""
    weight_decay: NonNegativeFloat = 1e-4
    """Decoupled; on convolution kernels only."""
    gradient_clip: PositiveFloat | None = None
    """Largest global norm of the gradients; None leaves them as they are."""
    class_weights: Literal["median_frequency", "none"] = "median_frequency"
    """Median frequency balancing as in the SegNet paper, or all classes alike."""
    max_class_weight: PositiveFloat = 10.0
    """Cuts the weights of very rare classes, whose few pixels would otherwise rule the gradient."""
    sampling: Sampling = "uniform"
    """Every patch once an epoch, or as many draws with replacement that give each class the same chance
    (`components.dataset.order`). Then `class_weights: none` is the usual choice, else rare classes are favoured twice;
    and a class that few patches show repeats those few: the only patch with a class, of K, is every K-th patch seen."""
    augmentation: AugmentOptions = AugmentOptions()
    seed: NonNegativeInt = Field(default=0, lt=2**31)
    """Decides initial weights, order and augmentation."""
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    """Of the computation while training; weights, and the exported model, are float32."""
    jit_compile: bool = False
    """Compile the training step with XLA. Off, because TensorFlow's own oneDNN kernels win on CPUs with AVX-512: 0.25 s
    against 0.38 s a step of 8 patches of 128 px at width 0.25, on 2 cores. Measure before switching it on."""
    steps_per_epoch: PositiveInt | None = None
    """Steps between two progress lines, each with an evaluation; None is one pass through the training records."""
    checkpoint_every: PositiveInt | None = None
    """Steps between two checkpoints; None is after each epoch."""

    @model_validator(mode="after")
    def _warmup_ends(self) -> "TrainingOptions":
        if self.epochs is None and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} leaves nothing of {self.steps} steps; use fewer")
        return self

    def total_steps(self, records: int) -> int:
        """Steps in all, for a number of training records."""
        if self.epochs is None:
            return self.steps
        return max(1, -(-self.epochs * records // self.batch_size))

    def epoch_steps(self, records: int) -> int:
        """Steps from one progress line to the next, for a number of training records."""
        return self.steps_per_epoch or max(1, -(-records // self.batch_size))
