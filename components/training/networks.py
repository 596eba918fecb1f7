"""The network that a configuration names: sensor numbers in, logits out."""

import re
from collections.abc import Sequence
from typing import Any

import keras

from components.deeplab import network as deeplab
from components.encoders.pretrained import application_weights, load_encoder, origin_of
from components.encoders.style import LayerStyle
from components.fcn import network as fcn
from components.pspnet import network as pspnet
from components.records.record_format import RecordFormat
from components.segnet import network as segnet
from components.segnet.caffe_weights import load_caffe
from components.segnet.caffemodel import read_caffemodel
from components.segnet.vgg16_weights import load_vgg16
from components.training.network_fit import check_network
from components.training.network_options import NetworkOptions
from components.training.normalization import InputNormalization
from components.unet import network as unet

LOGITS = "logits"
"""The output that is evaluated and served; others, `auxiliary_...`, are for the loss alone."""

_ENCODER_LAYER = re.compile(r"encoder_.*|(?!virtual_)([a-z][a-z0-9]*_)?(conv|norm)\d_\d")
"""Names of layers that belong to an encoder, or, in SegNet, have VGG-16's place."""


def build_network(
    options: NetworkOptions,
    record_format: RecordFormat,
    band_mean: Sequence[float],
    band_stddev: Sequence[float],
    *,
    seed: int = 0,
    dtype: str = "float32",
    auxiliary: bool = False,
    pretrained: bool = True,
) -> keras.Model:
    """The untrained network.

    Args:
        options: Which network.
        record_format: Patch size, bands, dtype and classes.
        band_mean, band_stddev: `(bands,)` of the training split, in the sensor's own numbers.
        seed: Decides the initial weights.
        dtype: Keras dtype policy, such as "float32" or "mixed_bfloat16".
        auxiliary: Give all outputs as a dict: `logits`, and with `deep_supervision` further ones, named
            `auxiliary_...`, `(batch, size / s, size / s, K)` float32, s a whole number; `served_network` takes them
            off.
        pretrained: Whether `options.pretrained` is loaded; not needed where other weights are set afterwards.

    Returns:
        Model from `(batch, size, size, bands)` in the records' dtype to logits `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the network cannot take the patch size or the bands, or the weights do not fit.
        MissingFileError: If the weights are not there.
    """
    bands = record_format.bands
    check_network(options, record_format.patch_size, bands)
    size = record_format.patch_size
    image = keras.Input((size, size, len(bands)), dtype=record_format.dtype, name="image")
    features = InputNormalization(band_mean, band_stddev, dtype=dtype, name="normalization")(image)
    style = LayerStyle(momentum=options.batch_norm_momentum, dtype=dtype, seed=seed)
    outputs = _outputs(options, features, len(record_format.table), style, bands)
    model = keras.Model(image, outputs, name=options.name)
    if pretrained and options.pretrained_path != "none":
        _load_pretrained(options, model, bands, band_stddev)
    return model if auxiliary else served_network(model)


def served_network(model: keras.Model) -> keras.Model:
    """A network without its auxiliary outputs; it shares all variables that it keeps.

    Args:
        model: From `build_network(..., auxiliary=True)`; one without further outputs is given back as it is.
    """
    outputs = model.output
    if not isinstance(outputs, dict):
        return model
    return keras.Model(model.input, outputs[LOGITS], name=model.name)


def encoder_variables(model: keras.Model) -> frozenset[str]:
    """Paths of the trainable variables that belong to an encoder, whose weights may come from elsewhere.

    DeepNetsForEO trains them at half the learning rate. Those of V-FuseNet's virtual encoder, which always starts
    from scratch, are not among them.

    Args:
        model: From `build_network`.
    """
    layers = (layer for layer in model.layers if _ENCODER_LAYER.fullmatch(layer.name))
    return frozenset(variable.path for layer in layers for variable in layer.trainable_variables)


def load_network(path: str) -> keras.Model:
    """The Keras model that a training has saved (`network.keras`); this module's imports register its layers.

    Args:
        path: A local path.
    """
    model: keras.Model = keras.saving.load_model(path, compile=False)
    return model


def _outputs(
    options: NetworkOptions, features: Any, classes: int, style: LayerStyle, bands: Sequence[str]
) -> dict[str, Any]:
    width, encoder = options.width, options.encoder or "resnet50"
    if options.name == "segnet":
        design = segnet.SegNetDesign(
            width=width,
            classifier_kernels=options.classifier_kernels,
            unpooling=options.unpooling,
            deep_supervision=options.deep_supervision,
            fusion=options.fusion,
            branches=tuple(
                (branch.name, tuple(bands.index(band) for band in branch.bands)) for branch in options.branches
            ),
        )
        return segnet.segnet(features, classes, style, design)
    if options.name == "unet":
        return unet.unet(features, classes, style, width=width, encoder=options.encoder)
    if options.name == "fcn":
        return fcn.fcn(features, classes, style, width=width, encoder=encoder)
    if options.name == "pspnet":
        return pspnet.pspnet(
            features,
            classes,
            style,
            width=width,
            encoder=encoder,
            output_stride=options.output_stride or 8,
            deep_supervision=options.deep_supervision,
        )
    return deeplab.deeplabv3plus(
        features, classes, style, width=width, encoder=encoder, output_stride=options.output_stride or 16
    )


def _load_pretrained(
    options: NetworkOptions, model: keras.Model, bands: Sequence[str], band_stddev: Sequence[float]
) -> None:
    source, given = options.pretrained_path, options.pretrained_bands
    if source.endswith(".caffemodel"):
        load_caffe(model, read_caffemodel(source), bands, band_stddev, given, f"the caffemodel {source}")
    elif options.name == "segnet":
        branches = {f"{branch.name}_": branch.bands for branch in options.branches} or {"": tuple(bands)}
        load_vgg16(model, application_weights("vgg16", source), branches, given, origin_of("vgg16", source))
    else:
        encoder = options.encoder or "resnet50"
        load_encoder(model, encoder, application_weights(encoder, source), bands, given, origin_of(encoder, source))
