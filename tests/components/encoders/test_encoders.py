"""Our encoders against Keras' applications: the same weights, the same features."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from components.encoders.features import encoder_features
from components.encoders.mobilenet_v3 import PREFIX
from components.encoders.style import LayerStyle

STYLE = LayerStyle(momentum=0.9, dtype="float32", seed=1)
SIZE = 64


def encoder(name: str, **kwargs: Any) -> keras.Model:
    image = keras.Input((SIZE, SIZE, 3))
    return keras.Model(image, encoder_features(name, image, STYLE, **kwargs))


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)


def varied(model: keras.Model) -> None:
    """Moving statistics other than mean 0 and variance 1, so that they count."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            shift = rng.normal(0, 0.1, mean.shape)
            layer.set_weights([gamma, beta + shift, mean - shift, variance * rng.uniform(0.7, 1.5, mean.shape)])


def copy_by_name(source: keras.Model, target: keras.Model) -> None:
    for layer in source.layers:
        if layer.weights:
            target.get_layer(PREFIX + layer.name).set_weights(layer.get_weights())


@pytest.mark.parametrize(
    ("name", "build", "parameters"),
    [
        # 23,587,712 is what Keras' documentation and many papers give for ResNet-50 without its classifier.
        ("resnet50", lambda **kw: keras.applications.ResNet50(**kw), 23_587_712),
        (
            "mobilenet_v3_large",
            lambda **kw: keras.applications.MobileNetV3Large(include_preprocessing=False, **kw),
            2_996_352,
        ),
    ],
)
def test_the_features_are_those_of_the_application(name: str, build: Callable[..., keras.Model], parameters: int):
    theirs = build(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    varied(theirs)
    ours = encoder(name)
    copy_by_name(theirs, ours)
    assert ours.count_params() == theirs.count_params() == parameters
    expected = theirs(images(), training=False)
    found = ours(images(), training=False)[32]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    assert np.std(expected) > 0


def test_a_dilated_resnet_sees_at_every_fourth_pixel_what_the_strided_one_sees():
    strided, dilated = encoder("resnet50", width=1 / 8), encoder("resnet50", width=1 / 8, output_stride=8)
    varied(strided)
    dilated.set_weights(strided.get_weights())
    coarse, fine = strided(images(), training=False), dilated(images(), training=False)
    assert fine[32].shape[1:3] == (8, 8)
    np.testing.assert_allclose(fine[32][:, ::4, ::4], coarse[32], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fine[16][:, ::2, ::2], coarse[16], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_features_have_the_size_of_their_stride_and_no_less_than_the_output_stride(name: str, output_stride: int):
    found = encoder(name, width=1 / 4, output_stride=output_stride).output
    assert {stride: SIZE // features.shape[1] for stride, features in found.items()} == {
        stride: min(stride, output_stride) for stride in (2, 4, 8, 16, 32)
    }


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large"])
def test_momentum_policy_and_seed_reach_every_layer(name: str):
    image = keras.Input((SIZE, SIZE, 5))
    style = LayerStyle(momentum=0.7, dtype="mixed_bfloat16", seed=3)
    first = keras.Model(image, encoder_features(name, image, style, width=1 / 4))
    norms = [layer for layer in first.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) > 40
    assert {layer.momentum for layer in norms} == {0.7}
    assert {layer.dtype_policy.name for layer in first.layers if layer.weights} == {"mixed_bfloat16"}
    again = keras.Input((SIZE, SIZE, 5))
    second = keras.Model(again, encoder_features(name, again, style, width=1 / 4))
    other = keras.Model(again, encoder_features(name, again, LayerStyle(0.7, "mixed_bfloat16", 4), width=1 / 4))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
