"""The network that a configuration names: sensor numbers in, logits out."""

from collections.abc import Sequence

import keras

from components.records.record_format import RecordFormat
from components.segnet.network import check_size, segnet
from components.training.normalization import InputNormalization
from components.training.options import NetworkOptions


def check_network(options: NetworkOptions, patch_size: int) -> None:
    """Refuses, before anything is computed, a patch size (pixels a side) that the network cannot take.

    Raises:
        NetworkError: It names the sizes that would work.
    """
    del options  # one network so far
    check_size(patch_size)


def build_network(
    options: NetworkOptions,
    record_format: RecordFormat,
    band_mean: Sequence[float],
    band_stddev: Sequence[float],
    *,
    seed: int = 0,
    dtype: str = "float32",
) -> keras.Model:
    """The untrained network.

    Args:
        options: Which network.
        record_format: Patch size, bands, dtype and classes.
        band_mean, band_stddev: `(bands,)` of the training split, in the sensor's own numbers.
        seed: Decides the initial weights.
        dtype: Keras dtype policy, such as "float32" or "mixed_bfloat16".

    Returns:
        Model from `(batch, size, size, bands)` in the records' dtype to logits `(batch, size, size, K)` float32.

    Raises:
        NetworkError: If the network cannot take the patch size.
    """
    check_network(options, record_format.patch_size)
    size = record_format.patch_size
    image = keras.Input((size, size, len(record_format.bands)), dtype=record_format.dtype, name="image")
    features = InputNormalization(band_mean, band_stddev, dtype=dtype, name="normalization")(image)
    logits = segnet(
        features,
        len(record_format.table),
        width=options.width,
        batch_norm_momentum=options.batch_norm_momentum,
        dtype=dtype,
        seed=seed,
    )
    return keras.Model(image, logits, name=options.name)


def load_network(path: str) -> keras.Model:
    """The Keras model that a training has saved (`network.keras`); this module's imports register its layers.

    Args:
        path: A local path.
    """
    model: keras.Model = keras.saving.load_model(path, compile=False)
    return model
