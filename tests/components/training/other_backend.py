"""Runs saved networks on Keras' JAX backend: a program, for a process of its own.

Use:
    KERAS_BACKEND=jax python -m tests.components.training.other_backend FOLDER [NAME ...]

It reads `images.npy` and every `NAME.keras` of the folder, and writes the logits into `NAME.npy`; of the named ones
also the gradient of the mean square of the logits in training, into `NAME_gradients.npz`.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from components.training.networks import load_network


def gradients_by_jax(network: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Of the trainable variables, by path."""
    import jax

    def loss(trainable: list[Any], fixed: list[Any]) -> Any:
        logits, _ = network.stateless_call(trainable, fixed, images, training=True)
        return keras.ops.mean(logits**2)

    values = [variable.value for variable in network.trainable_variables]
    found = jax.jit(jax.grad(loss))(values, [variable.value for variable in network.non_trainable_variables])
    return {v.path: np.asarray(gradient) for v, gradient in zip(network.trainable_variables, found, strict=True)}


def main(folder: Path, with_gradients: Sequence[str]) -> None:
    backend = keras.backend.backend()
    if backend != os.environ["KERAS_BACKEND"]:
        raise SystemExit(f"Keras computes with {backend}, not with {os.environ['KERAS_BACKEND']}")
    images = np.load(folder / "images.npy")
    for path in sorted(folder.glob("*.keras")):
        network = load_network(str(path))
        logits = network(images, training=False)
        np.save(path.with_suffix(".npy"), keras.ops.convert_to_numpy(logits))
        if path.stem in with_gradients:
            np.savez(path.with_name(f"{path.stem}_gradients.npz"), **gradients_by_jax(network, images))
    if "tensorflow" in sys.modules:
        raise SystemExit(f"something imported TensorFlow, on {backend}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
