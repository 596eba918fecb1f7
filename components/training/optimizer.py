"""The optimiser and its learning rate."""

from typing import Any

import keras
from keras import ops

from components.training.options import TrainingOptions

_SGD_MOMENTUM = 0.9
_POLYNOMIAL_POWER = 0.9


@keras.saving.register_keras_serializable(package="eoseg")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from zero in a straight line, then falls to zero at the last step (or stays).

    With `done` the share, 0 to 1, of the steps after the warm-up:

        cosine (1 + cos(pi * done)) / 2        polynomial (1 - done) ** 0.9        constant 1

    Args:
        peak: Learning rate at the end of the warm-up.
        steps: Steps in all.
        warmup_steps: Steps of the rise, fewer than `steps`.
        shape: "cosine", "polynomial" or "constant".
    """

    def __init__(self, peak: float, steps: int, warmup_steps: int = 0, shape: str = "cosine") -> None:
        self.peak = peak
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.shape = shape

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, counted from 0; scalar float32."""
        step = ops.cast(step, "float32")
        done = ops.clip((step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1), 0.0, 1.0)
        if self.shape == "cosine":
            share = 0.5 * (1.0 + ops.cos(3.141592653589793 * done))
        elif self.shape == "polynomial":
            share = (1.0 - done) ** _POLYNOMIAL_POWER
        else:
            share = ops.ones_like(done)
        rise = ops.minimum((step + 1.0) / (self.warmup_steps + 1.0), 1.0)
        return self.peak * share * rise

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"peak": self.peak, "steps": self.steps, "warmup_steps": self.warmup_steps, "shape": self.shape}


def build_optimizer(options: TrainingOptions, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a training of `steps` steps.

    Weight decay acts on kernels only: shrinking the scales of batch normalisation, or biases, regularises nothing.
    """
    # A warm-up given in steps may be longer than a training given in epochs.
    warmup = min(options.warmup_steps, steps - 1)
    rate = WarmupDecay(options.learning_rate, steps, warmup, options.schedule)
    decay = options.weight_decay or None
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=_SGD_MOMENTUM, weight_decay=decay, global_clipnorm=options.gradient_clip
        )
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=decay or 0.0, global_clipnorm=options.gradient_clip)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
