"""A moving average of a network's weights, which usually scores better than the weights themselves."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


class WeightAverage:
    """The exponential moving average of all of a network's numbers, statistics of batch normalisation among them.

    After step n, counted from 0,

        average += (1 - d) * (weights - average)          d = min(decay, (1 + n) / (10 + n))

    so that the weights of the first steps, which are no good, are soon forgotten.

    Source: Polyak and Juditsky 1992; the rising d is TensorFlow's (`tf.train.ExponentialMovingAverage`, num_updates).

    Args:
        model: The network in training.
        averaged: The same network anew; it gets the average and begins with the weights as they are.
        decay: 0 to 1.
    """

    def __init__(self, model: keras.Model, averaged: keras.Model, decay: float) -> None:
        self.model = averaged
        self._decay = decay
        self._pairs = list(zip(averaged.variables, model.variables, strict=True))
        for average, variable in self._pairs:
            average.assign(variable.value)

    def update(self, step: Any) -> None:
        """Takes in the weights after a step; in the graph, outside of any replica.

        Args:
            step: Steps done before it, scalar.
        """
        done = ops.cast(step, "float32")
        keep = ops.minimum(self._decay, (1.0 + done) / (10.0 + done))
        for average, variable in self._pairs:
            new = tf.convert_to_tensor(variable.value)
            if new.dtype.is_floating:
                old = tf.convert_to_tensor(average.value)
                new = old + tf.cast(1.0 - keep, new.dtype) * (new - old)
            average.assign(new)
