"""Weights from elsewhere for SegNet: VGG-16 of Keras for its encoder, or a Caffe model of the whole network.

Caffe's files and ours differ in

- the order of axes: Caffe's kernels are (out, in, height, width), Keras' (height, width, in, out);
- the order of bands: Caffe reads pictures through OpenCV as blue, green, red, and DeepNetsForEO wrote infrared, red,
  green so too; of three bands channel c is therefore our band 2 - c. Other numbers of bands are taken in their order;
- the scale: Caffe's nets take pixel values less their mean, ours also divide by the band's standard deviation s. So
  kernel[:, :, band] * s / S goes with batch normalisation that is adapted to 1 / S (`rescaled_norm`), S the mean of s;
- batch normalisation, in one of three forms: a layer "BN" of two blobs (scale, shift) into which SegNet's authors fold
  the statistics for inference; "BN" of four (scale, shift, mean, variance); "BatchNorm" (mean, variance, and the factor
  that both are to be divided by) with "Scale" (scale, shift) behind it. The folded form becomes gamma and beta over
  mean 0 and variance 1.
"""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from components.encoders.pretrained import (
    APPLICATIONS,
    Arrays,
    Channel,
    channels_of,
    first_kernel,
    rescaled_norm,
    set_layer,
)
from components.errors import NetworkError
from components.segnet.caffemodel import CaffeLayer
from components.segnet.encoders import ENCODER_CHANNELS

_PLACES = [f"{stage}_{i}" for stage, channels in enumerate(ENCODER_CHANNELS, 1) for i in range(1, len(channels) + 1)]
"""1_1 to 5_3: the thirteen convolutions of the encoder."""

_EPSILON = 1e-5
"""Of SegNet's batch normalisation here: a folded scale is met exactly with variance 1 - epsilon."""

_CAFFE_ORDER: tuple[Channel, ...] = ("blue", "green", "red")


def load_vgg16(
    model: keras.Model,
    weights: Mapping[str, Arrays],
    branches: Mapping[str, Sequence[str]],
    given: Mapping[str, Channel] | None,
) -> None:
    """Gives SegNet's encoders the thirteen convolutions of VGG-16; batch normalisation starts as the identity.

    Args:
        model: A SegNet of width 1.
        weights: Of `application_weights("vgg16", ...)`.
        branches: Names of the bands of each encoder, by the prefix of its layers ("" where there is but one).
        given: Which channel a band takes over; None decides by name and number (`channels_of`).

    Raises:
        NetworkError: If the shapes differ.
    """
    vgg = APPLICATIONS["vgg16"]
    for prefix, bands in branches.items():
        chosen = None if given is None else {band: channel for band, channel in given.items() if band in bands}
        for place in _PLACES:
            stage, _, i = place.partition("_")
            values = weights.get(f"block{stage}_conv{i}")
            if values is not None and place == "1_1":
                values = [first_kernel(values[0], vgg.channels, channels_of(bands, chosen)), values[1]]
            set_layer(model.get_layer(f"{prefix}conv{place}"), values, "the weights of VGG16")


def load_caffe(
    model: keras.Model,
    layers: Mapping[str, CaffeLayer],
    bands: Sequence[str],
    band_stddev: Sequence[float],
    given: Mapping[str, Channel] | None,
) -> tuple[str, ...]:
    """Gives SegNet the weights of a Caffe model: a SegNet, or the VGG-16 that one starts from.

    Args:
        model: A SegNet of one encoder, of width 1.
        layers: Of `read_caffemodel`.
        bands: Names of the network's bands.
        band_stddev: `(bands,)`: what the network divides each band by.
        given: Which channel of the file (its bands in reverse taken for red, green, blue) a band takes over; needed
            only where the number of bands is another than the file's.

    Returns:
        Names of the network's layers that keep their initial weights: the decoder where the file is a VGG-16, the
        classifier where it has another number of classes.

    Raises:
        NetworkError: If a convolution of the encoder is missing, or shapes differ.
    """
    missing = [f"conv{place}" for place in _PLACES if f"conv{place}" not in layers]
    if missing:
        raise NetworkError(
            f"the caffemodel has no layer {missing[0]}; it has {', '.join(list(layers)[:8])} ...",
            "a SegNet or a VGG-16 with layers conv1_1 to conv5_3",
            "give weights of SegNet (DeepNetsForEO, SegNet-Tutorial) or VGG-16, or set network.pretrained: none",
        )
    fresh = []
    stddev = np.array([value or 1.0 for value in band_stddev], np.float64)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            name = _caffe_name(layer.name)
            norm = _norm_of(name, layers)
            own = layers.get(name)
            if own is None or (layer.name == "classifier" and own.blobs[0].shape[0] != layer.filters):
                fresh.append(layer.name)
                continue
            kernel, bias = _convolution(own, layer.filters)
            scale = 1.0
            if name == "conv1_1":
                scale = float(stddev.mean()) if norm is not None else 1.0
                kernel = _band_kernel(kernel, bands, given) * (stddev / stddev.mean())[None, None, :, None]
            set_layer(layer, [kernel.astype(np.float32), (bias / scale).astype(np.float32)], "the Caffe weights")
        elif isinstance(layer, keras.layers.BatchNormalization):
            name = _caffe_name(layer.name.replace("norm", "conv"))
            norm = _norm_of(name, layers)
            if norm is None:
                fresh.append(layer.name)
                continue
            scale = float(stddev.mean()) if name == "conv1_1" else 1.0
            set_layer(layer, rescaled_norm(norm, scale, layer.epsilon), "the Caffe weights")
    return tuple(fresh)


def _caffe_name(name: str) -> str:
    """conv4_2_decoder is conv4_2_D there, and the classifier conv1_1_D."""
    return "conv1_1_D" if name == "classifier" else name.replace("_decoder", "_D")


def _convolution(layer: CaffeLayer, filters: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (height, width, in, out) and bias (out,) of a convolution."""
    kernel = np.transpose(layer.blobs[0], (2, 3, 1, 0))
    bias = layer.blobs[1].ravel() if len(layer.blobs) > 1 else np.zeros(filters, np.float32)
    return kernel, bias


def _band_kernel(
    kernel: NDArray[np.float32], bands: Sequence[str], given: Mapping[str, Channel] | None
) -> NDArray[np.float32]:
    """The first kernel in the order of our bands."""
    channels = kernel.shape[2]
    if channels == 3 and given is not None:
        return first_kernel(kernel, _CAFFE_ORDER, channels_of(bands, given))
    if channels != len(bands):
        raise NetworkError(
            f"the caffemodel takes {channels} bands, the records have {len(bands)} ({', '.join(bands)})",
            f"{channels} bands",
            "choose data.bands as the Caffe network had them, or say in network.pretrained_bands which of three each "
            "band takes over",
        )
    return kernel[:, :, ::-1] if channels == 3 else kernel


def _norm_of(convolution: str, layers: Mapping[str, CaffeLayer]) -> Arrays | None:
    """gamma, beta, mean and variance behind a convolution; None if the file has none.

    Raises:
        NetworkError: If the layer's blobs are of none of the three forms.
    """
    norm = layers.get(f"{convolution}_bn")
    if norm is None:
        return None
    blobs = [blob.ravel() for blob in norm.blobs]
    if len(blobs) == 2:
        return [blobs[0], blobs[1], np.zeros_like(blobs[0]), np.full_like(blobs[0], 1 - _EPSILON)]
    if len(blobs) == 4:
        return [blobs[0], blobs[1], blobs[2], blobs[3]]
    if len(blobs) == 3:
        factor = 1 / blobs[2][0] if blobs[2][0] else 0.0
        scale = layers.get(f"{convolution}_scale")
        gamma, beta = np.ones_like(blobs[0]), np.zeros_like(blobs[0])
        if scale is not None:
            gamma, beta = scale.blobs[0].ravel(), scale.blobs[1].ravel() if len(scale.blobs) > 1 else beta
        return [gamma, beta, blobs[0] * factor, blobs[1] * factor]
    raise NetworkError(
        f"the layer {norm.name} of the caffemodel has {len(blobs)} blobs",
        "two (BN, folded for inference), three (BatchNorm) or four (BN with statistics)",
        "fold the statistics with SegNet's compute_bn_statistics.py",
    )
