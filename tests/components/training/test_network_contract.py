"""One contract for all networks and their variants: what training, evaluation and serving rely on."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.classes import ClassTable, LandClass
from components.errors import NetworkError
from components.records.record_format import RecordFormat
from components.training.network_fit import check_network
from components.training.networks import (
    build_network,
    encoder_variables,
    load_network,
    served_network,
)
from components.training.options import NetworkOptions
from components.training.signatures import export_saved_model

SIZE, CLASSES = 64, 3
BANDS = ("infrared", "red", "green", "height")
MEAN, STDDEV = [100.0, 90.0, 110.0, 30.0], [50.0, 40.0, 60.0, 10.0]
BRANCHES = {"optical": ["infrared", "red", "green"], "height": ["height"]}

VARIANTS: dict[str, dict[str, Any]] = {
    "segnet": {"width": 1 / 8},
    "segnet plain": {"width": 1 / 8, "unpooling": "nearest"},
    "segnet kernels and scales": {"width": 1 / 8, "classifier_kernels": [3, 5, 7], "deep_supervision": True},
    "fusenet": {"width": 1 / 8, "fusion": "fusenet", "branches": BRANCHES},
    "vfusenet": {"width": 1 / 8, "fusion": "vfusenet", "branches": BRANCHES},
    "corrected": {"width": 1 / 8, "fusion": "residual_correction", "branches": BRANCHES, "deep_supervision": True},
    "unet": {"name": "unet", "width": 1 / 8},
    "unet resnet50": {"name": "unet", "width": 1 / 8, "encoder": "resnet50"},
    "fcn": {"name": "fcn", "width": 1 / 8},
    "pspnet": {"name": "pspnet", "width": 1 / 8, "deep_supervision": True},
    "deeplabv3plus": {"name": "deeplabv3plus", "width": 1 / 8},
    "deeplabv3plus mobilenet": {"name": "deeplabv3plus", "width": 1 / 4, "encoder": "mobilenet_v3_large"},
}

SLOW = {"segnet plain", "fusenet", "unet resnet50", "deeplabv3plus"}
"""Left out of quick runs: variants whose parts other variants have too."""

AUXILIARY = {
    "segnet kernels and scales": {"auxiliary_2": 2, "auxiliary_4": 4, "auxiliary_8": 8},
    "corrected": {"auxiliary_optical": 1, "auxiliary_height": 1},
    "pspnet": {"auxiliary_8": 8},
}
"""Strides of the further outputs."""

SIZES = {"unet": (72, "64 or 80"), "pspnet": (60, "56 or 64"), "deeplabv3plus": (72, "64 or 80")}
"""A size that does not fit, and those that would; the others need multiples of 32."""


def options_of(variant: str) -> NetworkOptions:
    return NetworkOptions.model_validate(VARIANTS[variant])


def format_of(size: int = SIZE) -> RecordFormat:
    classes = tuple(LandClass(name=f"class {i}", color=(i, i, i)) for i in range(CLASSES))
    return RecordFormat(patch_size=size, bands=BANDS, dtype="uint8", table=ClassTable(classes=classes))


def build(variant: str, seed: int = 3, **kwargs: Any) -> keras.Model:
    return build_network(options_of(variant), format_of(), MEAN, STDDEV, seed=seed, **kwargs)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, len(BANDS))).astype(np.uint8)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in VARIANTS],
)
def variant(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(variant: str) -> keras.Model:
    """With moving statistics that are not the identity."""
    model = build(variant)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            shift = rng.normal(0, 0.1, mean.shape)
            layer.set_weights([gamma, beta + shift, mean - shift, variance * rng.uniform(0.7, 1.5, mean.shape)])
    return model


@pytest.fixture(scope="module")
def logits(model: keras.Model) -> np.ndarray:
    """Of `images(2)`."""
    return model(images(2), training=False).numpy()


@pytest.fixture(scope="module")
def training_model(variant: str) -> keras.Model:
    return build(variant, auxiliary=True)


def test_patches_become_float32_logits_of_their_size(model: keras.Model, logits: np.ndarray):
    assert model.output.shape == (None, SIZE, SIZE, CLASSES)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert np.std(logits) > 0


def test_sizes_that_do_not_fit_are_refused_with_those_that_would(variant: str):
    options = options_of(variant)
    size, fitting = (72, "64 or 96")
    if not (options.name == "unet" and options.encoder):
        size, fitting = SIZES.get(options.name, (size, fitting))
    with pytest.raises(NetworkError, match=f"patches of {size} px") as caught:
        check_network(options, size)
    assert caught.value.remedy == f"set patches.size to {fitting}"
    with pytest.raises(NetworkError):
        build_network(options, format_of(size), MEAN, STDDEV)
    for fits in fitting.split(" or "):
        check_network(options, int(fits))


def test_saved_and_loaded_it_gives_the_same(model: keras.Model, logits: np.ndarray, tmp_path: Path):
    model.save(tmp_path / "network.keras")
    loaded = load_network(str(tmp_path / "network.keras"))
    np.testing.assert_array_equal(loaded(images(2), training=False), logits)
    assert encoder_variables(loaded) == encoder_variables(model)


def test_a_patch_alone_gets_the_logits_it_gets_in_a_batch(model: keras.Model, logits: np.ndarray):
    for i in range(2):
        alone = model(images(2)[i : i + 1], training=False)[0]
        np.testing.assert_allclose(alone, logits[i], atol=1e-4 * np.abs(logits).max())


def test_the_seed_decides_the_weights_and_nothing_else_does(model: keras.Model, training_model: keras.Model):
    again = {variable.path: variable.numpy() for variable in training_model.trainable_variables}
    kernels = [variable for variable in model.trainable_variables if "kernel" in variable.path]
    for kernel in kernels:
        np.testing.assert_array_equal(kernel, again[kernel.path], err_msg=kernel.path)
    assert len({np.round(float(np.std(kernel)), 9) for kernel in kernels}) > 0.9 * len(kernels)


def test_steps_on_one_batch_lower_the_loss(training_model: keras.Model):
    optimizer = keras.optimizers.Adam(3e-3)
    # Squares of 16 pixels, so that coarse features can tell the classes too.
    image = np.kron(np.random.default_rng(0).integers(0, 256, (2, 4, 4, 4)), np.ones((1, 16, 16, 1))).astype(np.uint8)
    label = (image[..., 0] > 128).astype(np.int32) + (image[..., 3] > 128)
    initial, losses = training_model.get_weights(), []
    for _ in range(5):
        with tf.GradientTape() as tape:
            terms = []
            for scores in training_model(image, training=True).values():
                stride = SIZE // scores.shape[1]
                terms.append(tf.nn.sparse_softmax_cross_entropy_with_logits(label[:, ::stride, ::stride], scores))
            loss = tf.add_n([tf.reduce_mean(term) for term in terms])
        gradients = tape.gradient(loss, training_model.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
        optimizer.apply(gradients, training_model.trainable_variables)
        losses.append(float(loss))
    training_model.set_weights(initial)
    assert losses[-1] < 0.95 * losses[0], losses


def test_further_outputs_are_for_training_alone(variant: str, training_model: keras.Model):
    strides = AUXILIARY.get(variant, {})
    assert {name: scores.shape for name, scores in training_model.output.items()} == {
        "logits": (None, SIZE, SIZE, CLASSES),
        **{name: (None, SIZE // stride, SIZE // stride, CLASSES) for name, stride in strides.items()},
    }
    served = served_network(training_model)
    assert served.output.shape == (None, SIZE, SIZE, CLASSES)
    kept = {id(variable) for variable in served.variables}
    assert kept <= {id(variable) for variable in training_model.variables}
    assert any("auxiliary" in variable.path for variable in served.variables) == (
        variant == "segnet kernels and scales"
    )


@pytest.mark.parametrize(("precision", "likeness"), [("bfloat16", 0.9), ("float16", 0.98)])
def test_mixed_precision_keeps_weights_and_logits_in_float32(
    variant: str, model: keras.Model, logits: np.ndarray, precision: str, likeness: float
):
    mixed = build(variant, seed=4, dtype=f"mixed_{precision}")
    assert {layer.compute_dtype for layer in mixed.layers if "conv" in layer.name} == {precision}
    assert {variable.dtype for variable in mixed.trainable_variables} == {"float32"}
    assert not np.array_equal(mixed.trainable_variables[0], model.trainable_variables[0])  # another seed
    mixed.set_weights(model.get_weights())
    found = mixed(images(2), training=False)
    assert found.dtype == tf.float32
    # bfloat16 has 8 bits, float16 has 11: the pictures must be alike, not equal.
    assert np.corrcoef(np.ravel(found), logits.ravel())[0, 1] > likeness
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(mixed(images(2), training=True) ** 2)
    for gradient in tape.gradient(loss, mixed.trainable_variables):
        assert gradient.dtype == tf.float32
        assert np.isfinite(gradient).all()


def test_the_encoder_is_a_part_of_the_network_that_sees_the_image_first(variant: str, model: keras.Model):
    paths = encoder_variables(model)
    trainable = [variable.path for variable in model.trainable_variables]
    assert paths < set(trainable)
    assert trainable[0] in paths
    assert not any(word in path for path in paths for word in ("decoder", "classifier", "virtual", "aspp", "pyramid"))


def test_every_norm_has_the_momentum_of_the_options(model: keras.Model):
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}


@pytest.mark.parametrize(
    "name", ["segnet", "vfusenet", *[pytest.param(n, marks=pytest.mark.slow) for n in VARIANTS if n not in
                                     ("segnet", "vfusenet")]]
)  # fmt: skip
def test_the_saved_model_says_what_the_network_says(name: str, tmp_path: Path):
    network, image = build(name), images(3)
    export_saved_model(network, format_of(), str(tmp_path / "saved"))
    answer = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](image=tf.constant(image))
    expected = tf.nn.softmax(network(image, training=False)).numpy() * 255
    assert np.abs(answer["scores"].numpy().astype(int) - np.round(expected)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_step_compiles_with_xla(name: str):
    network = build(name)

    def step(image: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(image, training=True) ** 2)
        return loss, tape.gradient(loss, network.trainable_variables)

    loss, gradients = tf.function(step, jit_compile=True)(images(2))
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_branches_must_take_the_bands_of_the_records():
    branches = {"optical": ["red"], "height": ["dsm"]}
    options = NetworkOptions.model_validate({**VARIANTS["fusenet"], "branches": branches})
    with pytest.raises(NetworkError, match=r"network\.branches names dsm"):
        check_network(options, SIZE, BANDS)
    options = options.model_copy(update={"branches": options_of("fusenet").branches[:1]})
    with pytest.raises(NetworkError, match=r"no branch of network\.branches takes height"):
        build_network(options, format_of(), MEAN, STDDEV)


@pytest.mark.parametrize("name", ["pspnet", "deeplabv3plus"])
def test_patches_that_an_encoder_cannot_take_are_refused_with_the_size_that_would_work(name: str):
    options = NetworkOptions.model_validate({"name": name, "encoder": "mobilenet_v3_large", "width": 0.25})
    for refuse in (check_network, lambda options, size: build_network(options, format_of(size), MEAN, STDDEV)):
        with pytest.raises(NetworkError, match="mobilenet_v3_large cannot take patches of 16 px") as caught:
            refuse(options, 16)
        assert "patches.size to 32" in caught.value.remedy
    check_network(options, 32)


def test_each_branch_sees_its_own_bands_alone():
    network = build("corrected", auxiliary=True)
    image, changed = images(1), images(1)
    changed[..., 3] = 255 - changed[..., 3]
    before, after = network(image, training=False), network(changed, training=False)
    np.testing.assert_array_equal(before["auxiliary_optical"], after["auxiliary_optical"])
    assert np.abs(before["auxiliary_height"] - after["auxiliary_height"]).max() > 0


def test_residual_correction_starts_from_the_mean_of_its_streams():
    outputs = build("corrected", auxiliary=True)(images(1), training=False)
    mean = (outputs["auxiliary_optical"] + outputs["auxiliary_height"]) / 2
    np.testing.assert_allclose(outputs["logits"], mean, rtol=1e-5, atol=1e-6)
