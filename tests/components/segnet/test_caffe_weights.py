import contextlib
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.encoders.style import LayerStyle
from components.errors import MissingFileError, NetworkError
from components.segnet.caffe_weights import load_caffe
from components.segnet.caffemodel import read_caffemodel
from components.segnet.network import SegNetDesign, segnet
from tests.components.segnet.make_caffemodel import write_caffemodel

BANDS, STDDEV = ("infrared", "red", "green"), [60.0, 30.0, 90.0]
CLASSES, SIZE, WIDTH = 4, 32, 1 / 8


def net(bands: int = 3, classes: int = CLASSES) -> keras.Model:
    image = keras.Input((SIZE, SIZE, bands))
    style = LayerStyle(0.9, "float32", 0)
    return keras.Model(image, segnet(image, classes, style, SegNetDesign(width=WIDTH))["logits"])


def caffe_name(layer: str) -> str:
    return {"classifier": "conv1_1_D"}.get(layer, layer.replace("_decoder", "_D"))


def norm_layers(name: str, channels: int, form: int, rng: np.random.Generator) -> dict:
    """Batch normalisation in one of Caffe's three forms."""
    scale, shift, mean = rng.uniform(0.5, 2, channels), rng.normal(size=channels), rng.normal(size=channels)
    variance = rng.uniform(0.5, 2, channels)
    column = (1, channels, 1, 1)
    if form == 0:
        return {f"{name}_bn": ("BN", [scale.reshape(column), shift.reshape(column)])}
    if form == 1:
        return {f"{name}_bn": ("BN", [value.reshape(column) for value in (scale, shift, mean, variance)])}
    # Caffe keeps sums of the statistics, and by how much to divide them.
    factor = np.array([998.5])
    return {
        f"{name}_bn": ("BatchNorm", [mean * factor, variance * factor, factor]),
        f"{name}_scale": ("Scale", [scale, shift]),
    }


def caffe_layers(model: keras.Model, *, norms: bool = True, encoder_only: bool = False) -> dict:
    rng = np.random.default_rng(7)
    layers = {}
    for number, layer in enumerate(each for each in model.layers if isinstance(each, keras.layers.Conv2D)):
        if encoder_only and ("decoder" in layer.name or layer.name == "classifier"):
            continue
        name = caffe_name(layer.name)
        height, width, channels, filters = layer.kernel.shape
        kernel = rng.normal(size=(filters, channels, height, width)) / np.sqrt(9 * channels)
        layers[name] = ("Convolution", [kernel, rng.normal(size=filters)])
        if norms and layer.name != "classifier":
            layers |= norm_layers(name, filters, number % 3, rng)
    return layers


def convolve(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Caffe's convolution: (batch, in, height, width) and (out, in, 3, 3), one pixel of zeros around."""
    height, width = image.shape[2:]
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    found = np.zeros((image.shape[0], kernel.shape[0], height, width))
    for row in range(3):
        for col in range(3):
            found += np.einsum(
                "oi,nihw->nohw", kernel[:, :, row, col], padded[:, :, row : row + height, col : col + width]
            )
    return found + bias.reshape(1, -1, 1, 1)


def normalise(features: np.ndarray, name: str, layers: dict) -> np.ndarray:
    """Caffe's batch normalisation at inference, in the form that the file has."""
    kind, blobs = layers[f"{name}_bn"]
    values = [blob.reshape(1, -1, 1, 1) for blob in blobs]
    if kind == "BN" and len(blobs) == 2:
        return features * values[0] + values[1]
    if kind == "BN":
        return values[0] * (features - values[2]) / np.sqrt(values[3] + 1e-5) + values[1]
    factor = blobs[2][0]
    normalised = (features - values[0] / factor) / np.sqrt(values[1] / factor + 1e-5)
    scale, shift = (blob.reshape(1, -1, 1, 1) for blob in layers[f"{name}_scale"][1])
    return normalised * scale + shift


def test_every_layer_gives_what_caffe_gives(tmp_path: Path):
    model = net()
    layers = caffe_layers(model)
    path = write_caffemodel(tmp_path / "segnet.caffemodel", layers)
    assert load_caffe(model, read_caffemodel(path), BANDS, STDDEV, None) == ()
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    norms = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert len(convolutions) == 26
    ends = [norms.get(layer.name.replace("conv", "norm"), layer) for layer in convolutions]
    taps = keras.Model(model.input, [[c.input, end.output] for c, end in zip(convolutions, ends, strict=True)])
    image = np.random.default_rng(1).normal(size=(1, SIZE, SIZE, 3)).astype(np.float32)
    for layer, (given_features, found) in zip(convolutions, taps(image, training=False), strict=True):
        name = caffe_name(layer.name)
        features = np.asarray(given_features, np.float64)
        if name == "conv1_1":
            # Caffe sees green, red, infrared, in the sensor's numbers less their mean.
            features = (features * STDDEV)[..., ::-1]
        kernel, bias = layers[name][1]
        expected = convolve(features.transpose(0, 3, 1, 2), kernel, bias)
        if layer.name != "classifier":
            expected = normalise(expected, name, layers)
        np.testing.assert_allclose(
            np.asarray(found).transpose(0, 3, 1, 2), expected, atol=1e-4 * np.abs(expected).max(), err_msg=name
        )


@pytest.mark.parametrize("double", [False, True])
def test_old_files_are_read_as_new_ones(tmp_path: Path, double: bool):
    layers = caffe_layers(net(), norms=False, encoder_only=True)
    new = read_caffemodel(write_caffemodel(tmp_path / "new.caffemodel", layers))
    old = read_caffemodel(write_caffemodel(tmp_path / "old.caffemodel", layers, old=True, double=double))
    assert list(old) == list(new) == list(layers)
    for name, (_, blobs) in layers.items():
        for blob, read_old, read_new in zip(blobs, old[name].blobs, new[name].blobs, strict=True):
            np.testing.assert_array_equal(read_new, blob.astype(np.float32))
            np.testing.assert_array_equal(read_old.reshape(blob.shape), blob.astype(np.float32))
    assert (new["conv1_1"].kind, old["conv1_1"].kind) == ("Convolution", "4")


def test_a_vgg16_gives_the_encoder_alone(tmp_path: Path):
    model = net()
    before = model.get_layer("conv5_3_decoder").get_weights()
    layers = caffe_layers(model, norms=False, encoder_only=True)
    path = write_caffemodel(tmp_path / "vgg16.caffemodel", layers, old=True)
    fresh = load_caffe(model, read_caffemodel(path), BANDS, STDDEV, None)
    assert "conv5_3_decoder" in fresh
    assert "classifier" in fresh
    assert not any(name.startswith("conv") and "decoder" not in name for name in fresh)
    np.testing.assert_array_equal(model.get_layer("conv5_3_decoder").get_weights()[0], before[0])
    np.testing.assert_allclose(
        model.get_layer("conv2_1").get_weights()[0], layers["conv2_1"][1][0].transpose(2, 3, 1, 0), rtol=1e-6
    )


def test_another_number_of_classes_leaves_the_classifier_fresh(tmp_path: Path):
    path = write_caffemodel(tmp_path / "segnet.caffemodel", caffe_layers(net()))
    assert load_caffe(net(classes=7), read_caffemodel(path), BANDS, STDDEV, None) == ("classifier",)


def test_more_bands_take_the_channels_that_they_are_given(tmp_path: Path):
    model = net(bands=4)
    layers = caffe_layers(net())
    path = write_caffemodel(tmp_path / "segnet.caffemodel", layers)
    bands = (*BANDS, "height")
    # The file's channels are green, red, infrared: blue, green and red to OpenCV.
    given_channels = {"infrared": "red", "red": "green", "green": "blue"}
    load_caffe(model, read_caffemodel(path), bands, [1.0] * 4, given_channels)
    kernel = model.get_layer("conv1_1").get_weights()[0]
    theirs = layers["conv1_1"][1][0].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(kernel[:, :, :3], theirs[:, :, ::-1] * 3 / 4, rtol=1e-5)
    np.testing.assert_allclose(kernel[:, :, 3], theirs.mean(axis=2) * 3 / 4, rtol=1e-4, atol=1e-6)


def test_classifiers_of_other_kernels_and_scales_start_afresh(tmp_path: Path):
    path = write_caffemodel(tmp_path / "segnet.caffemodel", caffe_layers(net()))
    image = keras.Input((SIZE, SIZE, 3))
    design = SegNetDesign(width=WIDTH, classifier_kernels=(3, 5), deep_supervision=True)
    model = keras.Model(image, segnet(image, CLASSES, LayerStyle(0.9, "float32", 0), design))
    fresh = load_caffe(model, read_caffemodel(path), BANDS, STDDEV, None)
    assert set(fresh) == {"classifier_3", "classifier_5", "auxiliary_2", "auxiliary_4", "auxiliary_8"}


def test_files_that_are_no_caffemodel_are_refused(tmp_path: Path):
    whole = write_caffemodel(tmp_path / "whole.caffemodel", caffe_layers(net(), norms=False))
    cut = tmp_path / "cut.caffemodel"
    cut.write_bytes(Path(whole).read_bytes()[:-100])
    text = tmp_path / "text.caffemodel"
    text.write_text('name: "segnet"\nlayer {\n  name: "data"\n}\n')
    empty = tmp_path / "empty.caffemodel"
    empty.write_bytes(b"")
    for path in (cut, text, empty):
        with pytest.raises(NetworkError, match=path.name):
            read_caffemodel(str(path))
    with pytest.raises(MissingFileError):
        read_caffemodel(str(tmp_path / "missing.caffemodel"))


def field(number: int, content: bytes | int) -> bytes:
    """A protobuf field: of bytes, or a number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def blob(*fields: bytes) -> bytes:
    """A caffemodel of one layer with one blob."""
    return field(100, field(1, b"conv1_1") + field(7, b"".join(fields)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (varint(100 << 3 | 2) + varint(2**62) + b"abc", "a field of 4611686018427387904 bytes"),
        (varint(100 << 3 | 2), "ends in the middle of a number"),
        (b"\xff" * 20, "more than 64 bits"),
        (field(100, field(1, b"conv1_1") + field(7, 5)), "field 7 is the number 5"),
        (blob(field(5, 5)), "field 5 is the number 5"),
        (blob(field(7, 5)), "field 7 is the number 5"),
        (blob(field(5, b"123")), "buffer size"),
        (blob(field(7, field(1, varint(2**64 - 1)))), "dimension"),
        (blob(field(7, field(1, varint(2**40) * 2))), "cannot reshape"),
        (field(100, field(1, b"\xff\xfe") + field(7, b"")), "utf-8"),
    ],
)
def test_messages_that_lie_are_refused(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=said) as caught:
        read_caffemodel(str(path))
    assert str(path) in caught.value.problem


_SMALL = {"conv1_1": ("Convolution", [np.ones((2, 3, 3, 3)), np.ones(2)]), "conv1_1_bn": ("BN", [np.ones(2)] * 2)}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3), st.integers(0, 3))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, place: int, written: bytes, removed: int):
    path = tmp_path_factory.mktemp("bytes") / "x.caffemodel"
    whole = Path(write_caffemodel(path, _SMALL)).read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + written + whole[place + removed :])
    with contextlib.suppress(NetworkError):
        read_caffemodel(str(path))


_ONES = np.ones(32)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conv3_2_D": None}, "no layer conv3_2_D"),
        ({"conv3_2_bn": None, "conv3_2_scale": None}, "no layer conv3_2_bn"),
        ({"bn3_2": ("BN", [_ONES, _ONES])}, "bn3_2 of type BN, which belongs to no convolution"),
        ({"conv3_2": ("Convolution", [np.ones((5, 6)), np.ones(5)])}, r"conv3_2 .* kernel of shape \(5, 6\)"),
        ({"conv1_1": ("Convolution", [np.ones(())])}, "conv1_1 .* kernel of shape"),
        ({"conv1_1_D": ("Convolution", [np.ones((CLASSES, 6))])}, "conv1_1_D .* kernel of shape"),
        ({"conv3_2": ("Convolution", [np.full((32, 32, 3, 3), np.nan)])}, "conv3_2 .* no number"),
        ({"conv3_2_bn": ("BN", [_ONES, np.full(32, np.inf)])}, "conv3_2_bn .* infinite"),
        ({"conv3_2_bn": ("BN", [_ONES])}, "conv3_2_bn .* has blobs of shapes"),
        ({"conv3_2_bn": ("BN", [_ONES, _ONES, _ONES, np.ones(5)])}, "conv3_2_bn .* has blobs of shapes"),
        ({"conv3_2_bn": ("BN", [_ONES, _ONES, _ONES, -_ONES])}, "no negative variance"),
        ({"conv3_2_bn": ("BatchNorm", [_ONES, _ONES, np.ones(0)])}, "conv3_2_bn .* has blobs of shapes"),
        ({"conv3_2_bn": ("BN", [np.ones(5), np.ones(5)])}, r"norm3_2 have shapes \[\(5,\)"),
    ],
)
def test_layers_that_do_not_fit_are_refused(tmp_path: Path, small: keras.Model, changes: dict, said: str):
    layers = caffe_layers(small) | changes
    path = write_caffemodel(tmp_path / "x.caffemodel", {name: layer for name, layer in layers.items() if layer})
    with pytest.raises(NetworkError, match=said):
        load_caffe(small, read_caffemodel(path), BANDS, STDDEV, None, f"the caffemodel {path}")


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return net()


def test_another_network_is_refused(tmp_path: Path):
    layers = {"fc6": ("InnerProduct", [np.ones((2, 3))])}
    path = write_caffemodel(tmp_path / "other.caffemodel", layers)
    with pytest.raises(NetworkError, match="no layer conv1_1"):
        load_caffe(net(), read_caffemodel(path), BANDS, STDDEV, None)
    layers = caffe_layers(net(), norms=False)
    layers["conv3_2"] = ("Convolution", [np.ones((5, 6, 3, 3)), np.ones(5)])
    path = write_caffemodel(tmp_path / "wider.caffemodel", layers)
    with pytest.raises(NetworkError, match="conv3_2"):
        load_caffe(net(), read_caffemodel(path), BANDS, STDDEV, None)
    with pytest.raises(NetworkError, match="takes 3 bands, the records have 2"):
        load_caffe(net(bands=2), read_caffemodel(write_caffemodel(tmp_path / "four.caffemodel", caffe_layers(net()))),
                   ("a", "b"), [1.0, 1.0], None)  # fmt: skip
