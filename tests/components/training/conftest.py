import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from affine import Affine

from components.classes import VOID_ID, ClassTable, LandClass
from components.encoders.style import LayerStyle, conv_norm_relu
from components.geo.raster import Georeference
from components.pspnet import network as pspnet
from components.records.patch_example import Patch, encode_patch
from components.records.record_format import RecordFormat
from components.training import train
from components.training.normalization import InputNormalization
from components.training.options import NetworkOptions, TrainingOptions
from components.training.train import TrainedNetwork
from tests.components.training.tiny_training import OPTIONS, TINY

SIZE = 32


@pytest.fixture(scope="session")
def record_format() -> RecordFormat:
    names = ("dark", "bright", "absent")
    table = ClassTable(classes=tuple(LandClass(name=name, color=(i, i, i)) for i, name in enumerate(names)))
    return RecordFormat(patch_size=SIZE, bands=("gray", "noise"), dtype="uint8", downsample=2, table=table)


@pytest.fixture(scope="session")
def make_patch() -> Callable[[int], Patch]:
    def make(number: int) -> Patch:
        """Bright and dark halves that a network can learn in a few steps, with some void and some stale pixels."""
        rng = np.random.default_rng(number)
        label = np.zeros((SIZE, SIZE), np.uint8)
        label[:, rng.integers(8, 24) :] = 1
        image = np.stack([60 + 120 * label, np.full_like(label, 128)], axis=-1) + rng.integers(0, 40, (SIZE, SIZE, 2))
        label[:4, :4] = VOID_ID
        valid = np.ones((SIZE, SIZE), bool)
        place = Georeference(Affine.identity(), "")
        return Patch(
            f"t{number}", 0, 0, 8 * (number % 2), 4 * (number % 3), image.astype(np.uint8), label, valid, place
        )

    return make


@pytest.fixture(scope="session")
def records_folder(tmp_path_factory, make_patch, record_format) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for split, numbers in (("train", range(10)), ("eval", range(10, 15))):
        with tf.io.TFRecordWriter(str(folder / f"{split}-00000-of-00001")) as writer:
            for number in numbers:
                writer.write(encode_patch(make_patch(number), record_format.table.names, record_format.bands))
    return folder


def build_small_network(
    options, record_format, band_mean, band_stddev, *, seed=0, dtype="float32", auxiliary=False, pretrained=True
) -> keras.Model:
    """Two convolutions in the place of SegNet, whose 26 take seconds to trace."""
    image = keras.Input((SIZE, SIZE, 2), dtype="uint8", name="image")
    features = InputNormalization(band_mean, band_stddev, dtype=dtype)(image)
    start = keras.initializers.HeNormal(seed)
    features = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer=start, dtype=dtype)(features)
    features = keras.layers.ReLU(dtype=dtype)(keras.layers.BatchNormalization(momentum=0.9, dtype=dtype)(features))
    return keras.Model(image, keras.layers.Conv2D(3, 1, kernel_initializer=start, dtype="float32")(features))


@pytest.fixture(scope="session", name="build_small_network")
def small_network_builder() -> Callable[..., keras.Model]:
    return build_small_network


@pytest.fixture
def small_network(monkeypatch):
    monkeypatch.setattr(train, "build_network", build_small_network)


@pytest.fixture(scope="module")
def run(records_folder, record_format) -> Callable[..., TrainedNetwork]:
    def run_in(
        folder: Path, options: TrainingOptions = OPTIONS, network: NetworkOptions = TINY, **kwargs: object
    ) -> TrainedNetwork:
        files = ([str(records_folder / f"{split}-00000-of-00001")] for split in ("train", "eval"))
        kwargs.setdefault("stream", io.StringIO())
        return train.train(*files, record_format, network, options, str(folder), **kwargs)

    return run_in


@pytest.fixture
def small_pspnet(monkeypatch) -> NetworkOptions:
    """PSPNet with its drop-out and its auxiliary classifier, but one level of pyramid on an encoder of two layers."""

    def features(_name: str, image: Any, style: LayerStyle, **_kwargs: object) -> dict[int, Any]:
        image = keras.layers.AveragePooling2D(8, dtype=style.dtype)(image)
        half_way = conv_norm_relu(image, 8, 1, "encoder_conv1", style)
        return {16: half_way, 32: conv_norm_relu(half_way, 8, 1, "encoder_conv2", style)}

    monkeypatch.setattr(pspnet, "encoder_features", features)
    monkeypatch.setattr(pspnet, "BINS", (1,))
    return NetworkOptions(name="pspnet", width=1 / 32, deep_supervision=True)
