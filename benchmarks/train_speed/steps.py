"""Training steps to compare: our network's and the usual one's, in all else alike.

Both go through `build_learner` and `train_step`, as a training does, with the optimiser, loss and normalisation of the
default options, and from the same initial weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from benchmarks.train_speed.usual_segnet import usual_segnet
from components.encoders.style import LayerStyle
from components.records.record_format import RecordFormat
from components.training.learner import Learner, build_learner
from components.training.networks import build_network
from components.training.normalization import InputNormalization
from components.training.options import NetworkOptions, TrainingOptions
from components.training.total_loss import loss_of_outputs
from components.training.train_step import train_step

Step = Callable[[Any, Any], tf.Tensor]


@dataclass(frozen=True)
class StepKind:
    """Which step.

    Attributes:
        network: `ours`, or `usual` (`benchmarks.train_speed.usual_segnet`).
        jit_compile: With XLA.
        precision: Keras dtype policy.
    """

    network: Literal["ours", "usual"]
    jit_compile: bool = False
    precision: Literal["float32", "mixed_bfloat16"] = "float32"


KINDS = {
    "usual": StepKind("usual"),
    "ours": StepKind("ours"),
    "ours_xla": StepKind("ours", jit_compile=True),
    "ours_bfloat16": StepKind("ours", precision="mixed_bfloat16"),
    "usual_bfloat16": StepKind("usual", precision="mixed_bfloat16"),
}
"""By the names in the benchmark's JSON."""


def make_learner(kind: StepKind, record_format: RecordFormat, width: float) -> Learner:
    """An untrained network and its optimiser; of equal width the initial weights are equal."""
    bands = len(record_format.bands)
    mean, stddev = [100.0] * bands, [50.0] * bands
    if kind.network == "ours":
        build = partial(build_network, NetworkOptions(width=width), record_format, mean, stddev)
    else:
        build = partial(_build_usual, record_format, width, mean, stddev)
    training = TrainingOptions(precision=kind.precision)
    return build_learner(build, training, training.steps, tf.distribute.get_strategy(), pretrained=False)


def make_step(kind: StepKind, learner: Learner, classes: int) -> Step:
    """One step of the optimiser on (image, label); it gives the loss."""
    loss = partial(loss_of_outputs, options=TrainingOptions().loss, class_weights=np.ones(classes, np.float32))
    return train_step(learner, loss, jit_compile=kind.jit_compile)


def loss_of(step: Step, image: tf.Tensor, label: tf.Tensor) -> float:
    """The loss of one step; it is over when the number is here."""
    return float(step(image, label))


def constant_batch(record_format: RecordFormat, batch_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Random image and label."""
    rng, size = np.random.default_rng(0), record_format.patch_size
    image = rng.integers(0, 256, (batch_size, size, size, len(record_format.bands)))
    label = rng.integers(0, len(record_format.table), image.shape[:3])
    return tf.constant(image, tf.uint8), tf.constant(label, tf.uint8)


def _build_usual(
    record_format: RecordFormat,
    width: float,
    mean: Sequence[float],
    stddev: Sequence[float],
    *,
    dtype: str,
    **_of_build_network: bool,
) -> keras.Model:
    """The usual SegNet behind the same normalisation."""
    size = record_format.patch_size
    image = keras.Input((size, size, len(record_format.bands)), dtype=record_format.dtype, name="image")
    features = InputNormalization(mean, stddev, dtype=dtype, name="normalization")(image)
    style = LayerStyle(momentum=NetworkOptions().batch_norm_momentum, dtype=dtype, seed=0)
    return keras.Model(image, usual_segnet(features, len(record_format.table), style, width), name="usual_segnet")
