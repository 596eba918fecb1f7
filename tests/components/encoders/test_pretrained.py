from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from components.encoders import pretrained
from components.encoders.features import encoder_features
from components.encoders.pretrained import (
    APPLICATIONS,
    application_weights,
    first_kernel,
    load_encoder,
    origin_of,
    rescaled_norm,
    set_layer,
)
from components.encoders.pretrained_bands import channels_of
from components.encoders.style import LayerStyle
from components.errors import MissingFileError, NetworkError

RGB = ("red", "green", "blue")


@pytest.fixture(scope="module")
def resnet() -> keras.Model:
    """Stands for the published ResNet-50: random weights, but moving statistics as unlike the identity as theirs."""
    model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(224, 224, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            spread = 3000 if layer.name == "conv1_bn" else 1
            variance = rng.uniform(0.5, 1.5, variance.shape) * spread
            layer.set_weights([gamma, beta, rng.normal(0, 0.1, mean.shape), variance])
    return model


@pytest.fixture(scope="module")
def resnet_file(resnet: keras.Model, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    resnet.save_weights(path)
    return str(path)


def test_a_loaded_encoder_gives_for_normalised_images_what_the_application_gives_for_its_own(
    resnet: keras.Model, resnet_file: str
):
    image = keras.Input((64, 64, 3))
    found = encoder_features("resnet50", image, LayerStyle(0.9, "float32", 0))
    ours = keras.Model(image, found[32])
    load_encoder(ours, "resnet50", application_weights("resnet50", resnet_file), RGB, None)
    normalised = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype(np.float32)
    # The application wants blue, green, red with the mean taken off, as numbers up to about 128.
    stddev = APPLICATIONS["resnet50"].stddev
    assert 50 < stddev < 65
    theirs = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    theirs.set_weights(resnet.get_weights())
    expected = theirs(normalised[..., ::-1] * stddev, training=False).numpy()
    np.testing.assert_allclose(ours(normalised, training=False), expected, atol=1e-3 * np.abs(expected).max())


def test_a_file_of_another_network_is_refused(resnet_file: str, tmp_path: Path):
    with pytest.raises(NetworkError, match="cannot be read") as caught:
        application_weights("mobilenet_v3_large", resnet_file)
    assert "MobileNetV3Large(include_top=False)" in caught.value.expected
    (tmp_path / "x.h5").write_text("no weights")
    with pytest.raises(NetworkError, match="cannot be read"):
        application_weights("vgg16", str(tmp_path / "x.h5"))
    with pytest.raises(MissingFileError, match="not there"):
        application_weights("vgg16", str(tmp_path / "missing.h5"))


def test_a_damaged_file_is_not_called_missing(tmp_path: Path):
    (tmp_path / "x.keras").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(NetworkError, match=r"x\.keras cannot be read: it is damaged"):
        application_weights("vgg16", str(tmp_path / "x.keras"))


def test_weights_that_are_no_numbers_are_refused_where_they_are_read():
    layer = keras.layers.Dense(1)
    layer.build((None, 2))
    with pytest.raises(NetworkError, match=r"the layer .* of x\.h5 holds infinite values or values that are no number"):
        set_layer(layer, [np.array([[1], [np.nan]], np.float32), np.zeros(1, np.float32)], "x.h5")


def test_a_larger_sister_that_has_all_layers_and_more_is_refused(tmp_path: Path):
    path = str(tmp_path / "vgg19.keras")
    keras.applications.VGG19(weights=None, include_top=False, input_shape=(32, 32, 3)).save(path)
    with pytest.raises(
        NetworkError, match=r"vgg19.keras cannot be read: .* another network, which has the layer block"
    ):
        application_weights("vgg16", path)
    with pytest.raises(NetworkError, match=r"another network, which lacks the layer conv1_bn"):
        application_weights("resnet50", path)


def test_weights_of_another_width_are_refused(resnet_file: str):
    image = keras.Input((64, 64, 3))
    narrow = keras.Model(image, encoder_features("resnet50", image, LayerStyle(0.9, "float32", 0), width=0.25)[32])
    weights, origin = application_weights("resnet50", resnet_file), origin_of("resnet50", resnet_file)
    with pytest.raises(NetworkError, match=r"resnet50.weights.h5 do not fit.*conv1_conv") as caught:
        load_encoder(narrow, "resnet50", weights, RGB, None, origin)
    assert "network.width 1" in caught.value.remedy


def test_a_failed_download_says_how_to_fetch_the_file_by_hand(monkeypatch):
    def fails(**kwargs):
        assert kwargs["weights"] == "imagenet"
        raise Exception("URL fetch failure on ADDRESS: 403 -- Forbidden")

    monkeypatch.setitem(pretrained.APPLICATIONS, "vgg16", replace(APPLICATIONS["vgg16"], build=fails))
    with pytest.raises(NetworkError, match="could not be fetched: URL fetch failure on ADDRESS: 403") as caught:
        application_weights("vgg16", "imagenet")
    assert "keras.applications.VGG16(include_top=False).save_weights(" in caught.value.remedy
    assert "network.pretrained: PATH" in caught.value.remedy


@pytest.mark.parametrize(
    ("bands", "given", "expected"),
    [
        (("red", "green", "blue"), None, ("red", "green", "blue")),
        (("blue", "green", "red"), None, ("blue", "green", "red")),
        (("infrared", "red", "green"), None, ("red", "green", "blue")),
        (("red", "green", "blue", "infrared"), None, ("red", "green", "blue", "mean")),
        (("vv", "vh"), None, ("mean", "mean")),
        (("infrared", "red", "green"), {"red": "red", "green": "green"}, ("mean", "red", "green")),
    ],
)
def test_bands_take_over_channels_by_name_or_in_order(bands, given, expected):
    assert channels_of(bands, given) == expected


def test_a_mapping_of_bands_that_are_not_there_is_refused():
    with pytest.raises(NetworkError, match="pretrained_bands names nir"):
        channels_of(("red", "green"), {"nir": "red"})


def test_the_first_kernel_keeps_its_sum_over_the_bands():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 8)).astype(np.float32)
    swapped = first_kernel(kernel, ("blue", "green", "red"), ("red", "green", "blue"))
    np.testing.assert_array_equal(swapped, kernel[:, :, ::-1])
    wider = first_kernel(kernel, ("blue", "green", "red"), ("mean",) * 5)
    np.testing.assert_allclose(wider.sum(axis=2), kernel.sum(axis=2), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(wider[:, :, 4], kernel.mean(axis=2) * 3 / 5, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.4, 58.0, 5000.0])
def test_a_rescaled_normalisation_gives_the_same_for_scaled_input(scale: float):
    rng = np.random.default_rng(2)
    gamma, beta, mean = (rng.normal(size=6).astype(np.float32) for _ in range(3))
    variance, epsilon, x = rng.uniform(0.1, 2, 6).astype(np.float32), 1e-5, rng.normal(size=(9, 6))
    expected = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    new_gamma, new_beta, new_mean, new_variance = rescaled_norm([gamma, beta, mean, variance], scale, epsilon)
    assert (new_variance >= 0).all()
    found = new_gamma * (x / scale - new_mean) / np.sqrt(new_variance + epsilon) + new_beta
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
