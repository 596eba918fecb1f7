"""Batch normalisation by TensorFlow's fused kernel, where TensorFlow computes.

Keras' layer is made of single operations: a training step reads and writes the whole picture about ten times for each
normalisation, and in mixed precision in float32. The fused kernel (oneDNN on CPUs, cuDNN on GPUs) does it in two
passes, takes bfloat16 as it is, and merges with the ReLU behind it.
"""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="eoseg")
class BatchNorm(keras.layers.BatchNormalization):
    """Keras' batch normalisation over all but the last axis, faster in training.

    Arguments, weights and results are those of `keras.layers.BatchNormalization` to rounding; the moving variance is
    of the batch's own variance, not of its estimate for the population, as Keras has it. Inference, masks, other axes
    and other Keras backends take Keras' own way.

    Paper: S. Ioffe, C. Szegedy 2015, https://arxiv.org/abs/1502.03167.

    Input shape, output shape:
        `(batch, height, width, channels)`, in the layer's compute dtype.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalised inputs; in training by their own mean and variance, which the moving ones then follow."""
        if not (training and self.trainable and mask is None and self._is_fusible(inputs)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf  # only here: the networks run on every Keras backend

        gamma, beta = (tf.cast(variable.value, tf.float32) for variable in (self.gamma, self.beta))
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=tf.zeros((0,)),
            variance=tf.zeros((0,)),
            epsilon=self.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
        # The kernel estimates the population's variance, times count / (count - 1).
        variance *= (count - 1.0) / tf.maximum(count, 1.0)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.stop_gradient(value) * (1.0 - self.momentum))
        return outputs

    def _is_fusible(self, inputs: Any) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and not self.synchronized
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
        )
