from pathlib import Path

import keras
import numpy as np
import pytest

from components.classes import ClassTable, LandClass
from components.records.record_format import RecordFormat
from components.training.networks import build_network
from components.training.options import NetworkOptions

PLACES = [(stage, i) for stage, count in enumerate((2, 2, 3, 3, 3), start=1) for i in range(1, count + 1)]


@pytest.fixture(scope="module")
def vgg16() -> keras.Model:
    return keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def files(vgg16: keras.Model, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("vgg16")
    vgg16.save_weights(folder / "vgg16.weights.h5")
    return {"weights": str(folder / "vgg16.weights.h5")}


def segnet(bands: tuple[str, ...], **keys) -> keras.Model:
    table = ClassTable(classes=tuple(LandClass(name=str(i), color=(i, i, i)) for i in range(2)))
    record_format = RecordFormat(patch_size=32, bands=bands, dtype="uint8", table=table)
    options = NetworkOptions.model_validate(keys)
    return build_network(options, record_format, [0.0] * len(bands), [1.0] * len(bands))


def kernel(model: keras.Model, layer: str) -> np.ndarray:
    return model.get_layer(layer).get_weights()[0]


def test_the_encoder_starts_as_vgg16(vgg16: keras.Model, files: dict[str, str]):
    model = segnet(("red", "green", "blue"), pretrained=files["weights"])
    for stage, i in PLACES[1:]:
        theirs, ours = vgg16.get_layer(f"block{stage}_conv{i}"), model.get_layer(f"conv{stage}_{i}")
        for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    # VGG-16 was trained on blue, green, red.
    np.testing.assert_array_equal(kernel(model, "conv1_1"), kernel(vgg16, "block1_conv1")[:, :, ::-1])
    scratch = segnet(("red", "green", "blue"))
    np.testing.assert_array_equal(kernel(model, "conv5_3_decoder"), kernel(scratch, "conv5_3_decoder"))


def test_each_encoder_of_two_sensors_starts_as_vgg16(vgg16: keras.Model, files: dict[str, str]):
    model = segnet(
        ("infrared", "red", "green", "dsm"),
        fusion="vfusenet",
        branches={"optical": ["infrared", "red", "green"], "height": ["dsm"]},
        pretrained=files["weights"],
        pretrained_bands={"infrared": "green", "red": "red"},
    )
    first = kernel(vgg16, "block1_conv1")
    mean = first.mean(axis=2)
    np.testing.assert_allclose(
        kernel(model, "optical_conv1_1"), np.stack([first[:, :, 1], first[:, :, 2], mean], axis=2), rtol=1e-6
    )
    np.testing.assert_allclose(kernel(model, "height_conv1_1")[:, :, 0], 3 * mean, rtol=1e-6)
    np.testing.assert_array_equal(kernel(model, "height_conv5_3"), kernel(vgg16, "block5_conv3"))
    assert not np.array_equal(kernel(model, "virtual_conv5_3"), kernel(vgg16, "block5_conv3"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16.h5", "vgg16.keras"])
def test_other_files_of_keras_are_read_too(vgg16: keras.Model, tmp_path: Path, name: str, recwarn):
    vgg16.save(tmp_path / name)
    recwarn.clear()
    model = segnet(("red", "green", "blue"), pretrained=str(tmp_path / name))
    np.testing.assert_array_equal(kernel(model, "conv3_2"), kernel(vgg16, "block3_conv2"))
