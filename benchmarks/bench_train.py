"""A training step of the slim SegNet with XLA against the same step without it, in one run.

The headline `ratio` is seconds a step with `jit_compile` over seconds without (below 1: XLA is faster). Batches are
constant, so that the input plays no part; the two are timed in turns and the best of each counts, since the machine is
shared. The last line is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from components.segnet.network import build_segnet
from components.training.losses import weighted_cross_entropy


def make_step(width: float, size: int, jit_compile: bool) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A network of its own with one optimiser step on (image, label)."""
    model = build_segnet(size, 3, 6, width=width)
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    weights = np.ones(6, np.float32)

    @tf.function(jit_compile=jit_compile)
    def step(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = weighted_cross_entropy(model(image, training=True), label, weights)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step  # type: ignore[no-any-return]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--size", type=int, default=128, help="pixels a side of a patch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    image = tf.constant(rng.normal(size=(arguments.batch, arguments.size, arguments.size, 3)), tf.float32)
    label = tf.constant(rng.integers(0, 6, image.shape[:3]), tf.uint8)
    steps = {name: make_step(arguments.width, arguments.size, name == "xla") for name in ("plain", "xla")}
    compile_seconds = {}
    for name, step in steps.items():
        started = time.perf_counter()
        float(step(image, label))
        compile_seconds[name] = time.perf_counter() - started
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            for _ in range(3):
                float(step(image, label))
            best[name] = min(best[name], (time.perf_counter() - started) / 3)
    print(
        json.dumps(
            {
                "ratio": round(best["xla"] / best["plain"], 3),
                "xla_step_seconds": round(best["xla"], 4),
                "plain_step_seconds": round(best["plain"], 4),
                "plain_patches_per_second": round(arguments.batch / best["plain"], 1),
                "xla_first_step_seconds": round(compile_seconds["xla"], 1),
                "plain_first_step_seconds": round(compile_seconds["plain"], 1),
                "width": arguments.width,
                "patch_px": arguments.size,
                "batch": arguments.batch,
            }
        )
    )


if __name__ == "__main__":
    main()
