"""One step of the optimiser, on one device or on several."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from components.training.learner import Learner
from components.training.networks import LOGITS
from components.training.strategy import placed

LossOfOutputs = Callable[[dict[str, Any], Any], Any]
"""From the network's outputs by name and the label to a scalar."""


TrainStep = Callable[[Any, Any], tf.Tensor]
"""From image and label to the batch's loss."""


def train_step(learner: Learner, loss_of_outputs: LossOfOutputs, *, jit_compile: bool) -> TrainStep:
    """A function that does one step on (image, label) and gives the batch's loss.

    With several replicas each computes the loss of its part of the batch, and batch normalisation takes its mean over
    that part; gradients and moving statistics are averaged over the replicas.

    Args:
        learner: What the step changes.
        loss_of_outputs: What to minimise.
        jit_compile: Compile with XLA; with several replicas all but the update.
    """
    model, optimizer, average, strategy = learner.model, learner.optimizer, learner.average, learner.strategy
    variables = model.trainable_variables
    replicas = strategy.num_replicas_in_sync

    def gradients(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
        with tf.GradientTape() as tape:
            outputs = model(image, training=True)
            loss = loss_of_outputs(outputs if isinstance(outputs, dict) else {LOGITS: outputs}, label)
            minimised = optimizer.scale_loss(loss if replicas == 1 else loss / replicas)
        return loss, tape.gradient(minimised, variables)

    def step(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        loss, found = gradients(image, label)
        optimizer.apply(found, variables)
        if average:
            average.update(optimizer.iterations - 1)
        return loss

    if replicas == 1:
        on_one_device: TrainStep = tf.function(placed(strategy, step), jit_compile=jit_compile)
        return on_one_device

    # Talk between replicas cannot be compiled.
    compiled = tf.function(gradients, jit_compile=True) if jit_compile else gradients
    statistics = [v for v in model.non_trainable_variables if tf.as_dtype(v.dtype).is_floating]

    def on_replica(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        loss, found = compiled(image, label)
        optimizer.apply(replica.all_reduce(tf.distribute.ReduceOp.SUM, list(found)), variables)
        if statistics:
            # Without identity a value just read has no device, and a worker's only replica could not tell its own.
            values = [tf.identity(v.value) for v in statistics]
            means = replica.all_reduce(tf.distribute.ReduceOp.MEAN, values)
            for variable, mean in zip(statistics, means, strict=True):
                variable.assign(mean)
        return loss

    def mirrored_step(image: Any, label: Any) -> tf.Tensor:
        losses = strategy.run(on_replica, args=(image, label))
        if average:
            average.update(optimizer.iterations - 1)
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    on_all_devices: TrainStep = tf.function(mirrored_step)
    return on_all_devices
