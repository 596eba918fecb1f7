"""Weights of a Caffe model for SegNet: of the whole network, or of the VGG-16 that one starts from.

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

from components.encoders.pretrained import Arrays, check_finite, first_kernel, rescaled_norm, set_layer
from components.encoders.pretrained_bands import Channel, channels_of
from components.errors import NetworkError
from components.segnet.caffemodel import CaffeLayer

_EPSILON = 1e-5
"""Of SegNet's batch normalisation here: a folded scale is met exactly with variance 1 - epsilon."""

_CLASSIFIER = "conv1_1_D"
"""Caffe's name of the last convolution."""

_NORM_KINDS = ("BN", "BatchNorm", "Scale")

_CAFFE_ORDER: tuple[Channel, ...] = ("blue", "green", "red")


def load_caffe(
    model: keras.Model,
    layers: Mapping[str, CaffeLayer],
    bands: Sequence[str],
    band_stddev: Sequence[float],
    given: Mapping[str, Channel] | None,
    origin: str = "the caffemodel",
) -> tuple[str, ...]:
    """Gives SegNet the weights of a Caffe model: a SegNet, or the VGG-16 that one starts from.

    Args:
        model: A SegNet of one encoder, of width 1.
        layers: Of `read_caffemodel`.
        bands: Names of the network's bands.
        band_stddev: `(bands,)`: what the network divides each band by.
        given: Which channel of the file (its bands in reverse taken for red, green, blue) a band takes over; needed
            only where the number of bands is another than the file's.
        origin: What messages call the file.

    Returns:
        Names of the network's layers that keep their initial weights: the decoder where the file is a VGG-16, the
        classifier where it has another number of classes.

    Raises:
        NetworkError: If layers are missing or left over (`_check_layers`), or shapes differ.
    """
    _check_layers(model, layers, origin)
    fresh = []
    stddev = np.array([value or 1.0 for value in band_stddev], np.float64)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            name = _caffe_name(layer.name)
            norm = _norm_of(name, layers, origin)
            own = layers.get(name)
            if own is None or (layer.name == "classifier" and own.blobs[0].shape[:1] != (layer.filters,)):
                fresh.append(layer.name)
                continue
            kernel, bias = _convolution(own, layer.filters, origin)
            scale = 1.0
            if name == "conv1_1":
                scale = float(stddev.mean()) if norm is not None else 1.0
                kernel = _band_kernel(kernel, bands, given, origin) * (stddev / stddev.mean())[None, None, :, None]
            set_layer(layer, [kernel.astype(np.float32), (bias / scale).astype(np.float32)], origin)
        elif isinstance(layer, keras.layers.BatchNormalization):
            name = _caffe_name(layer.name.replace("norm", "conv"))
            norm = _norm_of(name, layers, origin)
            if norm is None:
                fresh.append(layer.name)
                continue
            scale = float(stddev.mean()) if name == "conv1_1" else 1.0
            set_layer(layer, rescaled_norm(norm, scale, layer.epsilon), origin)
    return tuple(fresh)


def _check_layers(model: keras.Model, layers: Mapping[str, CaffeLayer], origin: str) -> None:
    """Refuses files of which only a part would fit: the rest of the network would silently start from scratch.

    Raises:
        NetworkError: If a convolution of the encoder is missing; or some of the decoder's are, but not all; or some
            have batch normalisation behind them and others have not; or there is one that belongs to none of them.
    """
    remedy = "give weights of SegNet (DeepNetsForEO, SegNet-Tutorial) or VGG-16, or set network.pretrained: none"
    # Not the classifiers, of any kernel size or scale: they may start afresh.
    ours = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    convolutions = [_caffe_name(name) for name in ours if name.startswith("conv")]
    decoder = [name for name in convolutions if name.endswith("_D")]
    missing = [name for name in convolutions if name not in layers]
    if missing and missing != decoder:
        expected = (
            f"a SegNet or a VGG-16 with layers conv1_1 to conv5_3, and all of {decoder[0]} to {decoder[-1]} or none"
        )
        had = ", ".join(list(layers)[:8])
        raise NetworkError(f"{origin} has no layer {missing[0]}; it has {had} ...", expected, remedy)
    present = [name for name in convolutions if name in layers]
    plain = [name for name in present if f"{name}_bn" not in layers]
    if plain and len(plain) < len(present):
        raise NetworkError(
            f"{origin} has no layer {plain[0]}_bn, although it has batch normalisation behind other convolutions",
            "batch normalisation behind every convolution but the last, or behind none",
            remedy,
        )
    known = {f"{name}_{kind}" for name in present for kind in ("bn", "scale")}
    strange = [layer for layer in layers.values() if layer.kind in _NORM_KINDS and layer.name not in known]
    if strange:
        raise NetworkError(
            f"{origin} has the layer {strange[0].name} of type {strange[0].kind}, which belongs to no convolution",
            "conv1_1_bn (and conv1_1_scale) behind conv1_1, and so on",
            remedy,
        )


def _caffe_name(name: str) -> str:
    """conv4_2_decoder is conv4_2_D there, and the classifier conv1_1_D."""
    return _CLASSIFIER if name == "classifier" else name.replace("_decoder", "_D")


def _convolution(layer: CaffeLayer, filters: int, origin: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (height, width, in, out) and bias (out,) of a convolution.

    Raises:
        NetworkError: If the kernel has other than four axes, or holds what is no number.
    """
    if layer.blobs[0].ndim != 4:
        raise NetworkError(
            f"the layer {layer.name} of {origin} has a kernel of shape {layer.blobs[0].shape}",
            "four axes (out, in, height, width)",
            "give the weights of a convolutional network",
        )
    check_finite(layer.blobs, layer.name, origin)
    kernel = np.transpose(layer.blobs[0], (2, 3, 1, 0))
    bias = layer.blobs[1].ravel() if len(layer.blobs) > 1 else np.zeros(filters, np.float32)
    return kernel, bias


def _band_kernel(
    kernel: NDArray[np.float32], bands: Sequence[str], given: Mapping[str, Channel] | None, origin: str
) -> NDArray[np.float32]:
    """The first kernel in the order of our bands."""
    channels = kernel.shape[2]
    if channels == 3 and given is not None:
        return first_kernel(kernel, _CAFFE_ORDER, channels_of(bands, given))
    if channels != len(bands):
        raise NetworkError(
            f"{origin} takes {channels} bands, the records have {len(bands)} ({', '.join(bands)})",
            f"{channels} bands",
            "choose data.bands as the Caffe network had them"
            + (", or say in network.pretrained_bands which of its three each band takes over" if channels == 3 else ""),
        )
    return kernel[:, :, ::-1] if channels == 3 else kernel


def _norm_of(convolution: str, layers: Mapping[str, CaffeLayer], origin: str) -> Arrays | None:
    """gamma, beta, mean and variance behind a convolution; None if the file has none.

    Raises:
        NetworkError: If the layer's blobs are of none of the three forms, or of different lengths.
    """
    norm = layers.get(f"{convolution}_bn")
    if norm is None:
        return None
    scale = layers.get(f"{convolution}_scale")
    for layer in (norm, *(() if scale is None else (scale,))):
        check_finite(layer.blobs, layer.name, origin)
    values = _norm_values([blob.ravel() for blob in norm.blobs], None if scale is None else scale.blobs)
    if values is None:
        raise NetworkError(
            f"the layer {norm.name} of {origin} has blobs of shapes {[blob.shape for blob in norm.blobs]}",
            "two of one length (BN, folded for inference), two and a factor (BatchNorm, with Scale behind it) or four "
            "(BN with statistics); no negative variance",
            "fold the statistics with SegNet's compute_bn_statistics.py",
        )
    return values


def _norm_values(blobs: Arrays, scale: Sequence[NDArray[np.float32]] | None) -> Arrays | None:
    """gamma, beta, mean and variance; None if the blobs are of none of the three forms."""
    if len(blobs) == 2:
        values = [blobs[0], blobs[1], np.zeros_like(blobs[0]), np.full_like(blobs[0], 1 - _EPSILON)]
    elif len(blobs) == 4:
        values = list(blobs)
    elif len(blobs) == 3 and blobs[2].size == 1:
        factor = 1 / blobs[2][0] if blobs[2][0] else 0.0
        gamma, beta = np.ones_like(blobs[0]), np.zeros_like(blobs[0])
        if scale is not None:
            gamma, beta = scale[0].ravel(), scale[1].ravel() if len(scale) > 1 else beta
        values = [gamma, beta, blobs[0] * factor, blobs[1] * factor]
    else:
        return None
    fits = len({value.shape for value in values}) == 1 and (values[3] >= 0).all()
    return values if fits else None
