"""The optimiser: its rate and its weight decay variable by variable."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from components.training.options import TrainingOptions
from components.training.schedule import WarmupDecay

_SGD_MOMENTUM = 0.9
_NOT_DECAYED = ("bias", "gamma", "beta")


class _OwnRates:
    """Mixed into one of Keras' optimisers: a rate factor for some variables, and weight decay of two kinds.

    Gradients must come summed over replicas already: where Keras sums them, they have been clipped before.

    Args:
        factors: By variable path; 1 where a path is not in it.
        decay: Of kernels.
        l2: Whether decay times kernel is added to the gradient (after clipping, as Caffe does), or the kernel shrunk by
            rate times decay before the update.
        **kwargs: Of the Keras optimiser.
    """

    def __init__(self, *, factors: dict[str, float], decay: float, l2: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factor_of_path = factors
        self._decay = decay
        self._l2 = l2
        self._settings: dict[str, tuple[float, float]] = {}

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the optimiser's variables, and notes which factor and which decay each variable has."""
        super().build(variables)  # type: ignore[misc] # the other base is a Keras optimiser
        for variable in variables:
            # Shrinking the scales of batch normalisation, or biases, regularises nothing.
            decay = 0.0 if variable.name in _NOT_DECAYED else self._decay
            factor = self._factor_of_path.get(variable.path, 1.0)
            self._settings[self._var_key(variable)] = (factor, decay)  # type: ignore[attr-defined] # Keras' own

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        factor, decay = self._settings[self._var_key(variable)]  # type: ignore[attr-defined] # Keras' own
        rate = learning_rate if factor == 1.0 else learning_rate * factor
        if decay and self._l2:
            gradient = gradient + decay * variable
        elif decay:
            variable.assign_sub(variable * decay * tf.cast(rate, variable.dtype))
        super().update_step(gradient, variable, rate)  # type: ignore[misc] # the other base is a Keras optimiser

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class RatedSgd(_OwnRates, keras.optimizers.SGD):
    """SGD; the name becomes part of the graph, where none may begin with an underscore."""


class RatedAdam(_OwnRates, keras.optimizers.Adam):
    """Adam, with either kind of weight decay."""


def learning_rate_of(options: TrainingOptions, steps: int) -> WarmupDecay:
    """The learning rate of each of `steps` steps."""
    return WarmupDecay(
        options.learning_rate, steps, options.warmup_steps, options.schedule, options.decay_at, options.decay_factor
    )


def build_optimizer(
    options: TrainingOptions, steps: int, encoder: frozenset[str] = frozenset()
) -> keras.optimizers.Optimizer:
    """The optimiser of a training of `steps` steps.

    Args:
        options: Of the training.
        steps: In all.
        encoder: Paths of the variables with `encoder_learning_rate_factor`.
    """
    kind = options.weight_decay_kind or ("l2" if options.optimizer == "adam" else "decoupled")
    factor = options.encoder_learning_rate_factor
    settings: dict[str, Any] = {
        "factors": dict.fromkeys(encoder, factor) if factor != 1.0 else {},
        "decay": options.weight_decay,
        "l2": kind == "l2",
        "learning_rate": learning_rate_of(options, steps),
        "global_clipnorm": options.gradient_clip,
    }
    optimizer = RatedSgd(momentum=_SGD_MOMENTUM, **settings) if options.optimizer == "sgd" else RatedAdam(**settings)
    if options.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
