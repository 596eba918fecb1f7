"""A network while it is trained: it, its optimiser, and what of it will be exported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from components.training.networks import encoder_variables, served_network
from components.training.optimizer import build_optimizer, learning_rate_of
from components.training.options import TrainingOptions
from components.training.schedule import WarmupDecay
from components.training.weight_average import WeightAverage

BuildNetwork = Callable[..., keras.Model]
"""`components.training.networks.build_network` with all but its keywords `dtype`, `auxiliary` and `pretrained`."""


@dataclass(frozen=True)
class Learner:
    """What a step changes.

    Attributes:
        model: With all outputs that have a loss.
        optimizer: Built for it.
        average: Of its weights, if there is one.
        exported: What is evaluated and exported: the average, or the model without its auxiliary outputs.
        strategy: In whose scope all of it was made.
        build: Makes the network anew.
        precision: Of its computation.
        schedule: The learning rate of each step.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    average: WeightAverage | None
    exported: keras.Model
    strategy: tf.distribute.Strategy
    build: BuildNetwork
    precision: str
    schedule: WarmupDecay

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """All that a checkpoint must hold, in a fixed order."""
        averages = self.average.model.variables if self.average else ()
        return [*self.model.variables, *self.optimizer.variables, *averages]

    def learning_rate(self) -> float:
        """Of the last step."""
        done = int(keras.ops.convert_to_numpy(self.optimizer.iterations))
        return float(keras.ops.convert_to_numpy(self.schedule(max(done - 1, 0))))

    def is_finite(self) -> bool:
        """Whether all variables are numbers still."""
        values = [tf.convert_to_tensor(variable.value) for variable in self.variables]
        return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in values if value.dtype.is_floating)

    def plain(self) -> keras.Model:
        """What is exported, in float32 and on one device."""
        if self.precision == "float32" and self.strategy.num_replicas_in_sync == 1:
            return self.exported
        # A model server without bfloat16 units would crawl through the mixed graph.
        model = self.build(dtype="float32", pretrained=False)
        model.set_weights(self.exported.get_weights())
        return model


def build_learner(
    build: BuildNetwork, training: TrainingOptions, steps: int, strategy: tf.distribute.Strategy, *, pretrained: bool
) -> Learner:
    """An untrained learner.

    Args:
        build: Makes the network.
        training: How it is trained.
        steps: In all.
        strategy: Where.
        pretrained: Whether the network loads the weights it starts from; not needed where a checkpoint has later ones.
    """
    with strategy.scope():
        auxiliary = training.loss.auxiliary > 0
        model = build(dtype=training.precision, auxiliary=auxiliary, pretrained=pretrained)
        optimizer = build_optimizer(training, steps, encoder_variables(model))
        optimizer.build(model.trainable_variables)
        exported, average = served_network(model), None
        if training.ema:
            average = WeightAverage(exported, build(dtype=training.precision, pretrained=False), training.ema)
            exported = average.model
    schedule = learning_rate_of(training, steps)
    return Learner(model, optimizer, average, exported, strategy, build, training.precision, schedule)
