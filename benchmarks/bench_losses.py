"""What a loss and its gradient cost, and Lovasz-softmax by counting against the same by sorting, in one run.

Each loss of `components/training` with its gradient, compiled to a graph, on constant logits of `batch` patches, in
turns; the processor time of all threads and the best round of each counts, since the machine is shared. `sorted_lovasz`
is algorithm 1 of Berman et al. 2018 (https://arxiv.org/abs/1705.08790) as it is usually written. The headline `ratio`
is the time of the sorted one over ours; `gradient_off` is the distance of our gradient to that of the sorted one in
float64 over the length of the latter, on even and on confident logits. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the benchmarks are not installed

import numpy as np
import tensorflow as tf

from benchmarks.arguments import positive_int
from components.training.losses import focal_loss, weighted_cross_entropy
from components.training.region_losses import lovasz_softmax, soft_dice_loss

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def sorted_lovasz(logits: tf.Tensor, label: tf.Tensor, classes: int) -> tf.Tensor:
    """Algorithm 1 with a sort of all pixels for each class; every label is a class."""
    share = tf.transpose(tf.reshape(tf.nn.softmax(logits), (-1, classes)))
    truth = tf.transpose(tf.one_hot(tf.reshape(label, (-1,)), classes, dtype=share.dtype))
    errors = tf.abs(truth - share)
    order = tf.argsort(errors, axis=-1, direction="DESCENDING")
    errors, truth = tf.gather(errors, order, batch_dims=1), tf.gather(truth, order, batch_dims=1)
    size = tf.reduce_sum(truth, axis=1, keepdims=True)
    jaccard = 1.0 - (size - tf.cumsum(truth, axis=1)) / (size + tf.cumsum(1.0 - truth, axis=1))
    steps = jaccard - tf.pad(jaccard[:, :-1], ((0, 0), (1, 0)))
    return tf.reduce_mean(tf.reduce_sum(errors * tf.stop_gradient(steps), axis=1))


def with_gradient(loss: Loss) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The gradient by the logits."""

    @tf.function
    def gradient(logits: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            result = loss(logits, label)
        return tape.gradient(result, logits)

    return gradient


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=positive_int, default=128, help="of a patch in pixels (default 128)")
    parser.add_argument("--batch", type=positive_int, default=8)
    parser.add_argument("--classes", type=positive_int, default=5)
    parser.add_argument("--rounds", type=positive_int, default=10)
    arguments = parser.parse_args()
    classes = arguments.classes
    weights = np.ones(classes, np.float32)
    losses: dict[str, Loss] = {
        "cross_entropy": lambda logits, label: weighted_cross_entropy(logits, label, weights),
        "focal": lambda logits, label: focal_loss(logits, label, weights, 2.0),
        "dice": lambda logits, label: soft_dice_loss(logits, label, classes),
        "lovasz": lambda logits, label: lovasz_softmax(logits, label, classes),
        "sorted_lovasz": lambda logits, label: sorted_lovasz(logits, label, classes),
    }
    gradients = {name: with_gradient(loss) for name, loss in losses.items()}
    shape = (arguments.batch, arguments.size, arguments.size)
    rng = np.random.default_rng(0)
    label = tf.constant(rng.integers(0, classes, shape).astype(np.int32))
    even = tf.constant(rng.normal(size=(*shape, classes)).astype(np.float32))
    confident = 4.0 * even + 8.0 * tf.one_hot(label, classes)

    best: dict[str, float] = dict.fromkeys(gradients, float("inf"))
    for measured in (False, *[True] * arguments.rounds):  # the first round compiles
        for name, gradient in gradients.items():
            started = time.process_time()
            gradient(even, label)
            if measured:
                best[name] = min(best[name], time.process_time() - started)
    counted, exact = gradients["lovasz"], gradients["sorted_lovasz"]
    off = {
        name: distance(counted(logits, label), exact(tf.cast(logits, tf.float64), label))
        for name, logits in {"even": even, "confident": confident}.items()
    }
    report: dict[str, Any] = {
        "ratio": round(best["sorted_lovasz"] / best["lovasz"], 2),
        "milliseconds": {name: round(1000 * seconds, 1) for name, seconds in best.items()},
        "gradient_off": off,
        "patches": list(shape),
        "classes": classes,
    }
    print(json.dumps(report))


def distance(one: tf.Tensor, other: tf.Tensor) -> float:
    """The length of the difference over the length of the second."""
    return float(f"{float(tf.norm(tf.cast(one, other.dtype) - other) / tf.norm(other)):.2g}")


if __name__ == "__main__":
    main()
