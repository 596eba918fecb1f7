from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.encoders.style import scaled
from components.errors import NetworkError
from components.segnet.network import build_segnet


def pictures(count: int, size: int = 32, bands: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size, size, bands)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    return build_segnet(32, 3, 4, width=1 / 8)


def test_width_one_has_the_parameters_of_the_paper():
    # Kernels 9 * in * out of the 26 convolutions, their biases, scale and shift of 25 batch normalisations, 11 classes:
    #   encoder 14_710_464, decoder 14_708_736, classifier 9 * 64 * 11 = 6_336
    #   biases 4_224 + 3_712 + 11, batch normalisation 2 * (4_224 + 3_712)
    model = build_segnet(32, 3, 11)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == 14_710_464 + 14_708_736 + 6_336 + 7_947 + 15_872 == 29_449_355
    assert f"{trainable / 1e6:.2f}" == "29.45"


def test_the_encoder_has_the_layout_of_vgg16(tiny: keras.Model):
    convolutions = [layer.name for layer in tiny.layers if isinstance(layer, keras.layers.Conv2D)]
    stages = [(1, 2), (2, 2), (3, 3), (4, 3), (5, 3)]
    assert convolutions[:13] == [f"conv{stage}_{i}" for stage, count in stages for i in range(1, count + 1)]
    decoder = [f"conv{stage}_{i}_decoder" for stage, count in reversed(stages) for i in range(count, 0, -1)]
    assert convolutions[13:] == [*decoder[:-1], "classifier"]
    norms = [layer for layer in tiny.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 25


def test_a_sample_alone_gives_what_it_gives_in_a_batch(tiny: keras.Model):
    batch = pictures(5)
    together = tiny(batch, training=False).numpy()
    for i in range(5):
        np.testing.assert_allclose(tiny(batch[i : i + 1], training=False)[0], together[i], rtol=1e-4, atol=1e-5)


def test_every_weight_gets_a_gradient(tiny: keras.Model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tiny(pictures(2), training=True) ** 2)
    for weight, gradient in zip(tiny.trainable_variables, tape.gradient(loss, tiny.trainable_variables), strict=True):
        assert np.isfinite(gradient).all(), weight.path
        # Batch normalisation takes any constant off: the biases before it have no effect.
        if "bias" not in weight.path or "classifier" in weight.path:
            assert np.abs(gradient).max() > 0, weight.path


def test_saved_and_loaded_it_gives_the_same(tiny: keras.Model, tmp_path: Path):
    tiny.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(pictures(2)), tiny(pictures(2)))


@pytest.mark.parametrize(
    ("size", "fitting"), [(250, "224 or 256"), (33, "32 or 64"), (31, "32"), (1, "32"), (16, "32"), (257, "256 or 288")]
)
def test_sizes_that_cannot_be_halved_five_times_are_refused(size: int, fitting: str):
    with pytest.raises(NetworkError, match=f"patches of {size} px") as caught:
        build_segnet(size, 3, 4, width=1 / 8)
    assert caught.value.remedy == f"set patches.size to {fitting}"


def test_channels_are_multiples_of_eight():
    assert scaled((64, 128, 512), 0.25) == (16, 32, 128)
    assert scaled((64, 128, 512), 0.01) == (8, 8, 8)
    assert scaled((64,), 0.3) == (16,)


def test_equal_seeds_give_equal_weights():
    first, second, other = (build_segnet(32, 3, 4, width=1 / 8, seed=seed) for seed in (1, 1, 2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_mixed_precision_keeps_logits_in_float32():
    model = build_segnet(32, 1, 4, width=1 / 8, dtype="mixed_bfloat16")
    assert model(pictures(1, bands=1)).dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in model.weights)


def test_it_compiles_with_xla(tiny: keras.Model):
    compiled = tf.function(lambda image: tiny(image, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(pictures(2)), tiny(pictures(2), training=False), rtol=1e-3, atol=1e-4)
