from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.deeplab.network import deeplabv3plus
from components.encoders import mobilenet_v3, resnet50, style
from components.encoders.batch_norm import BatchNorm
from components.encoders.style import LayerStyle
from components.pspnet.network import pspnet
from components.unet.network import unet


def one_step(layer: keras.layers.Layer, values: tf.Tensor) -> list[np.ndarray]:
    """Output, gradients of input and weights, and moving statistics after a step."""
    layer.build(values.shape)
    layer.gamma.assign(np.linspace(0.5, 2, values.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, values.shape[-1]))
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = layer(values, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 3)
    gradients = tape.gradient(loss, [values, layer.gamma.value, layer.beta.value])
    found = [outputs, *gradients, layer.moving_mean, layer.moving_variance]
    return [np.asarray(keras.ops.cast(value, "float32")) for value in found]


@pytest.mark.parametrize("shape", [(2, 6, 4, 5), (1, 1, 2, 3), (3, 1, 1, 8), (1, 1, 1, 2)], ids=str)
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "xla"])
def test_a_training_step_is_that_of_keras_layer(shape: tuple[int, ...], compiled: bool) -> None:
    values = tf.constant(np.random.default_rng(1).normal(3, 2, shape), tf.float32)
    ours, theirs = BatchNorm(momentum=0.7, epsilon=1e-3), keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-3)
    expected = one_step(theirs, values)
    if compiled:
        ours.build(shape)
        ours(values, training=True)  # no variables are made while compiling
        for moving, start in ((ours.moving_mean, 0.0), (ours.moving_variance, 1.0)):
            moving.assign(np.full(shape[-1], start))
        call = tf.function(lambda inputs: ours(inputs, training=True), jit_compile=True)
        ours.gamma.assign(np.linspace(0.5, 2, shape[-1]))
        ours.beta.assign(np.linspace(-1, 1, shape[-1]))
        np.testing.assert_allclose(call(values), expected[0], rtol=1e-4, atol=1e-4)
        found = [np.asarray(ours.moving_mean), np.asarray(ours.moving_variance)]
        expected = expected[-2:]
    else:
        found = one_step(ours, values)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3 * np.abs(other).max() + 1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_agrees_to_its_rounding(policy: str) -> None:
    values = tf.constant(np.random.default_rng(2).normal(3, 2, (4, 8, 8, 16)), tf.float32)
    found, expected = one_step(BatchNorm(dtype=policy), values), one_step(BatchNorm(), values)
    assert BatchNorm(dtype=policy)(values, training=True).dtype == policy.removeprefix("mixed_")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=0.03 * np.abs(other).max())


def test_inference_uses_the_moving_statistics() -> None:
    layer = BatchNorm(epsilon=0.0)
    layer.build((None, 2, 2, 1))
    layer.moving_mean.assign([10.0])
    layer.moving_variance.assign([4.0])
    np.testing.assert_allclose(layer(np.full((1, 2, 2, 1), 14.0, np.float32), training=False), np.full((1, 2, 2, 1), 2))


def test_a_frozen_layer_does_not_move() -> None:
    layer = BatchNorm(trainable=False)
    layer(np.full((2, 2, 2, 1), 14.0, np.float32), training=True)
    np.testing.assert_array_equal(layer.moving_mean, [0.0])


def test_other_ranks_take_keras_way() -> None:
    values = tf.constant(np.random.default_rng(3).normal(3, 2, (16, 4)), tf.float32)
    for one, other in zip(
        one_step(BatchNorm(), values), one_step(keras.layers.BatchNormalization(), values), strict=True
    ):
        np.testing.assert_array_equal(one, other)


NETWORKS: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, Any]]] = {
    "unet": (unet, {"width": 1 / 8}),
    "pspnet": (pspnet, {"width": 1 / 8}),  # ResNet-50, and normalisation of a single pixel
    "deeplabv3plus mobilenet": (deeplabv3plus, {"width": 1 / 4, "encoder": "mobilenet_v3_large"}),
}


def network_step(
    name: str, norm: type[keras.layers.Layer], monkeypatch: pytest.MonkeyPatch, factor: float = 1.0
) -> list[np.ndarray]:
    """Loss, moving statistics and gradients of a training step of a network whose normalisations are `norm`."""
    for module in (style, resnet50, mobilenet_v3):
        monkeypatch.setattr(module, "BatchNorm", norm)
    build, keys = NETWORKS[name]
    image = keras.Input((64, 64, 3))
    network = keras.Model(image, build(image, 4, LayerStyle(0.9, "float32", 1), **keys)["logits"])
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {type(layer) for layer in norms} == {norm}
    values = factor * np.random.default_rng(0).normal(size=(3, 64, 64, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(values.astype(np.float32), training=True) ** 2)
    gradients = tape.gradient(loss, network.trainable_variables)
    moving = [variable.numpy() for layer in norms for variable in layer.non_trainable_variables]
    return [loss.numpy(), *moving, *(gradient.numpy() for gradient in gradients)]


def distance(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Median of the relative errors of the arrays that are not zero but for rounding."""
    norms = [np.linalg.norm(value) for value in expected]
    return float(
        np.median([np.linalg.norm(a - b) / n for a, b, n in zip(found, expected, norms, strict=True) if n > 1e-3])
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_networks_training_step_is_that_with_keras_layer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = network_step(name, keras.layers.BatchNormalization, monkeypatch)
    ours = network_step(name, BatchNorm, monkeypatch)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    # A deep network amplifies rounding (ReLUs switch): by how much, a rounding of the image shows.
    rounded = network_step(name, keras.layers.BatchNormalization, monkeypatch, factor=1 + 1e-6)
    assert distance(ours, theirs) < 5 * distance(rounded, theirs) + 1e-3
