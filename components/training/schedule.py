"""The learning rate of each step."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_POLYNOMIAL_POWER = 0.9


@keras.saving.register_keras_serializable(package="eoseg")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from zero in a straight line, then falls.

    With `done` the share, 0 to 1, of the steps after the warm-up:

        cosine      (1 + cos(pi * done)) / 2
        polynomial  (1 - done) ** 0.9
        steps       decay_factor ** (how many of decay_at are passed, as shares of all steps)
        constant    1

    Args:
        peak: Learning rate at the end of the warm-up.
        steps: Steps in all.
        warmup_steps: Steps of the rise, fewer than `steps`.
        shape: "cosine", "polynomial", "steps" or "constant".
        decay_at: Shares of all steps, 0 to 1, of shape "steps".
        decay_factor: What each of them multiplies the rate by.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        warmup_steps: int = 0,
        shape: str = "cosine",
        decay_at: Sequence[float] = (),
        decay_factor: float = 0.1,
    ) -> None:
        self.peak = peak
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.shape = shape
        self.decay_at = tuple(decay_at)
        self.decay_factor = decay_factor

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
        if self.shape == "steps":
            for at in self.decay_at:
                # A whole number of steps: a share that float32 rounds up would otherwise come one step late.
                share = ops.where(step >= round(at * self.steps), share * self.decay_factor, share)
        rise = ops.minimum((step + 1.0) / (self.warmup_steps + 1.0), 1.0)
        return self.peak * share * rise

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "shape": self.shape,
            "decay_at": list(self.decay_at),
            "decay_factor": self.decay_factor,
        }
