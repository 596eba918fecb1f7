"""The networks on Keras' JAX backend, in a process of their own: a process has but one backend."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.components.training.test_network_contract import VARIANTS, build, images

ROOT = Path(__file__).parents[3]
BESIDE = ROOT / ".jax"
"""Where JAX may lie outside of the environment: TensorFlow and Beam would import it if it were installed."""
SAME_GRADIENTS = ("segnet", "unet")
"""Without drop-out, which each backend draws in its own way."""


def saved(name: str, folder: Path) -> keras.Model:
    """A variant with moving statistics that are not the identity, as `NAME.keras` in a folder."""
    network = build(name)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            rng = np.random.default_rng(len(layer.name))
            layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.7, 1.5, layer.moving_variance.shape))
    network.save(folder / f"{name}.keras")
    np.save(folder / "images.npy", images(1))
    return network


def run_on_jax(folder: Path, with_gradients: Sequence[str]) -> None:
    program = [sys.executable, "-W", "ignore", "-m", "tests.components.training.other_backend", str(folder)]
    paths = os.pathsep.join([str(ROOT), str(BESIDE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths}
    done = subprocess.run([*program, *with_gradients], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None and not (BESIDE / "jax").is_dir(),
    reason="JAX is neither installed nor in the folder .jax (.ci/run puts it there); it is no dependency",
)
def test_jax_finds_the_same_logits_and_gradients(tmp_path: Path):
    networks = {name: saved(name, tmp_path) for name in VARIANTS}
    run_on_jax(tmp_path, SAME_GRADIENTS)
    for name, network in networks.items():
        expected = network(images(1), training=False).numpy()
        found = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), err_msg=name)
    for name in SAME_GRADIENTS:
        network = networks[name]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(images(1), training=True) ** 2)
        gradients = np.load(tmp_path / f"{name}_gradients.npz")
        for variable, gradient in zip(
            network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True
        ):
            error = np.linalg.norm(gradients[variable.path] - gradient.numpy())
            assert error < 0.02 * np.linalg.norm(gradient) + 1e-5, variable.path
