"""Weights of Keras' applications, trained on ImageNet, for the encoders here.

First convolution: ImageNet has three channels, a sensor may have any number of bands. Band b takes the kernel of one
channel, or the mean of all three, times 3 / bands, so that the sum over the bands stays as large as it was:

    kernel[:, :, b] = (kernel[:, :, channel(b)] or mean(kernel, axis=2)) * 3 / bands

Scale: our images have standard deviation 1, those that the weights were trained on had `stddev`. Rather than the
kernel, which should stay as easy to train as the others, the batch normalisation behind it is adapted
(`rescaled_norm`).
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.encoders.mobilenet_v3 import PREFIX
from components.encoders.pretrained_bands import Channel, channels_of
from components.errors import MissingFileError, NetworkError

Arrays = list[NDArray[np.float32]]

_BGR, _RGB = ("blue", "green", "red"), ("red", "green", "blue")

# 0.226 is the mean of ImageNet's three standard deviations, on a scale of 0 to 1.
_IMAGENET_STDDEV = 0.226


@dataclass(frozen=True)
class Application:
    """One of Keras' applications.

    Attributes:
        title: Its name in `keras.applications`.
        build: Builds it without its classifier; takes `weights`, `input_shape`, `include_top`.
        channels: What the channels of its first kernel stand for.
        stddev: Standard deviation of the images that it was trained on, as its preprocessing gives them.
        first: Names of its first convolution and of the batch normalisation behind it, if any.
    """

    title: str
    build: Callable[..., keras.Model]
    channels: tuple[str, ...]
    stddev: float
    first: tuple[str, str | None]


def _mobilenet(**kwargs: Any) -> keras.Model:
    return keras.applications.MobileNetV3Large(include_preprocessing=False, **kwargs)


APPLICATIONS = {
    "vgg16": Application("VGG16", keras.applications.VGG16, _BGR, 255 * _IMAGENET_STDDEV, ("block1_conv1", None)),
    "resnet50": Application(
        "ResNet50", keras.applications.ResNet50, _BGR, 255 * _IMAGENET_STDDEV, ("conv1_conv", "conv1_bn")
    ),
    "mobilenet_v3_large": Application("MobileNetV3Large", _mobilenet, _RGB, 2 * _IMAGENET_STDDEV, ("conv", "conv_bn")),
}


def application_weights(name: str, source: str) -> dict[str, Arrays]:
    """Weights of an application, by layer name.

    Args:
        name: A key of `APPLICATIONS`.
        source: "imagenet" (Keras downloads them, once, into its cache), or the path of a file that Keras wrote:
            `.h5`, `.weights.h5`, or a whole model `.keras`.

    Raises:
        MissingFileError: If there is no such file.
        NetworkError: If the download fails, or the file holds something else.
    """
    application = APPLICATIONS[name]
    shape = (224, 224, 3)
    if source == "imagenet":
        try:
            model = application.build(weights="imagenet", include_top=False, input_shape=shape)
        except Exception as error:  # Keras raises whatever urllib, its hash check or h5py had
            raise _download_failed(application, error) from error
    else:
        if not Path(source).is_file():
            raise MissingFileError(
                f"the weights {source} (network.pretrained) are not there",
                "imagenet, none, or the path of a weights file",
                "correct the path; it is read by the machine that trains",
            )
        try:
            model = application.build(weights=None, include_top=False, input_shape=shape)
            if source.endswith(".keras"):
                if not zipfile.is_zipfile(source):  # Keras says of such a file that it is not found
                    raise ValueError("it is damaged, or no file of Keras")
                wanted = {layer.name for layer in model.layers if layer.weights}
                model = keras.saving.load_model(source, compile=False)
                # VGG-19 and ResNet-101 have all layers of VGG-16 and ResNet-50, and more.
                _check_layers({layer.name for layer in model.layers if layer.weights}, wanted)
            else:
                model.load_weights(source)
        except Exception as error:  # h5py, zipfile and Keras each have errors of their own
            raise NetworkError(
                f"{origin_of(name, source)} cannot be read: {_first_line(error)}",
                f"weights of keras.applications.{application.title}(include_top=False), as .h5, .weights.h5 or .keras",
                "save them anew, or set network.pretrained: none",
            ) from error
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def origin_of(name: str, source: str) -> str:
    """What messages call the weights of an application from a source; see `application_weights`."""
    if source == "imagenet":
        return f"the ImageNet weights of {APPLICATIONS[name].title}"
    return f"the weights {source}"


def _check_layers(found: set[str], wanted: set[str]) -> None:
    """Raises ValueError if the layers are others."""
    for names, verb in ((wanted - found, "lacks"), (found - wanted, "has")):
        if names:
            raise ValueError(f"it is of another network, which {verb} the layer {min(names)}")


def _first_line(error: Exception) -> str:
    """Of what an error says, without the example that Keras begins there."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line.partition(" Example error")[0]


def first_kernel(
    kernel: NDArray[np.float32], channels: Sequence[str], wanted: Sequence[Channel]
) -> NDArray[np.float32]:
    """The first kernel for other bands.

    Args:
        kernel: `(height, width, 3, filters)`.
        channels: What its three channels stand for.
        wanted: Which of them, or "mean", each band takes.

    Returns:
        `(height, width, len(wanted), filters)`.
    """
    mean = kernel.mean(axis=2)
    taken = [mean if channel == "mean" else kernel[:, :, list(channels).index(channel)] for channel in wanted]
    found: NDArray[np.float32] = np.stack(taken, axis=2) * np.float32(len(channels) / len(wanted))
    return found


def rescaled_norm(norm: Sequence[NDArray[np.float32]], scale: float, epsilon: float) -> Arrays:
    """Batch normalisation that gives for x / scale what it gave for x.

    Its variance becomes (variance + epsilon) / scale**2 - epsilon; where that would be negative it becomes zero, and
    gamma makes up for it.

    Args:
        norm: gamma, beta, mean, variance, each `(channels,)`.
        scale: What x is divided by.
        epsilon: Of the layer.

    Returns:
        `[gamma, beta, mean, variance]`, each `(channels,)`.
    """
    gamma, beta, mean, variance = norm
    wanted = (variance.astype(np.float64) + epsilon) / scale**2
    kept = np.maximum(wanted - epsilon, 0)
    gamma = gamma * np.sqrt((kept + epsilon) / wanted)
    return [value.astype(np.float32) for value in (gamma, beta, mean / scale, kept)]


def load_encoder(
    model: keras.Model,
    name: str,
    weights: Mapping[str, Arrays],
    bands: Sequence[str],
    given: Mapping[str, Channel] | None,
    origin: str | None = None,
) -> None:
    """Gives the encoder of a network the weights of the application that it follows.

    Args:
        model: A network whose encoder's layers have the application's names after `PREFIX`.
        name: A key of `APPLICATIONS`.
        weights: Of `application_weights`.
        bands: Names of the network's input bands.
        given: Which channel a band takes over; None decides by name and number (`channels_of`).
        origin: What messages call the weights.

    Raises:
        NetworkError: If a layer is missing or its shape is another (a network of another width).
    """
    application = APPLICATIONS[name]
    conv, norm = application.first
    wanted = channels_of(bands, given)
    for layer in model.layers:
        own = layer.name.removeprefix(PREFIX)
        if own == layer.name or not layer.weights:
            continue
        values = weights.get(own)
        if values is not None and own == conv:
            biases = [value / application.stddev for value in values[1:]]
            values = [first_kernel(values[0], application.channels, wanted), *biases]
        elif values is not None and own == norm:
            values = rescaled_norm(values, application.stddev, layer.epsilon)
        set_layer(layer, values, origin or f"the weights of {application.title}")


def set_layer(layer: keras.layers.Layer, values: Arrays | None, origin: str) -> None:
    """Sets a layer's weights.

    Raises:
        NetworkError: If there are none, their shapes are others, or a value is not finite.
    """
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if values is None or [value.shape for value in values] != shapes:
        found = "are not there" if values is None else f"have shapes {[value.shape for value in values]}"
        raise NetworkError(
            f"{origin} do not fit: those of the layer {layer.name} {found}",
            f"shapes {shapes}",
            "use weights of the very same encoder, with network.width 1",
        )
    check_finite(values, layer.name, origin)
    layer.set_weights(values)


def check_finite(values: Sequence[NDArray[np.float32]], layer: str, origin: str) -> None:
    """Refuses a layer's weights that are no numbers.

    Raises:
        NetworkError: It names the layer.
    """
    if not all(np.isfinite(value).all() for value in values):
        raise NetworkError(
            f"the layer {layer} of {origin} holds infinite values or values that are no number",
            "finite weights",
            "the training that wrote them had failed: give an earlier file, or set network.pretrained: none",
        )


def _download_failed(application: Application, error: Exception) -> NetworkError:
    return NetworkError(
        f"the ImageNet weights of {application.title} could not be fetched: {_first_line(error)}",
        "a connection to the address that Keras names, or the file in its cache (models/ in the folder .keras of the "
        "home directory, or of KERAS_HOME)",
        f'on a machine with a connection run python -c "import keras; keras.applications.{application.title}'
        "(include_top=False).save_weights('x.weights.h5')\", copy x.weights.h5 here and set "
        "network.pretrained: PATH/x.weights.h5; or set network.pretrained: none",
    )
