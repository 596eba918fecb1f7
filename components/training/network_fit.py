"""Whether a network can take the records and the batches; without Keras, so that every command can ask at once."""

from collections.abc import Sequence

from components.deeplab import patch_size as deeplab
from components.encoders.patch_size import check_mobilenet_size
from components.encoders.pretrained_bands import channels_of
from components.errors import NetworkError
from components.fcn import patch_size as fcn
from components.pspnet import patch_size as pspnet
from components.segnet import patch_size as segnet
from components.training.network_options import NetworkOptions
from components.unet import patch_size as unet

_MEAN_OF_PATCH = {"pspnet": "PSPNet", "deeplabv3plus": "DeepLabV3+"}
"""Networks that normalise the mean of a whole patch: one value a channel and patch."""


def check_network(options: NetworkOptions, patch_size: int, bands: Sequence[str] | None = None) -> None:
    """Refuses, before anything is computed, what the network cannot take.

    Args:
        options: Which network.
        patch_size: Pixels a side.
        bands: Names of the records' bands, where they are known.

    Raises:
        NetworkError: It names the sizes that would work, or the bands that do not fit the branches.
    """
    if options.name == "segnet":
        segnet.check_size(patch_size)
    elif options.name == "unet":
        unet.check_size(patch_size, options.encoder)
    elif options.name == "fcn":
        fcn.check_size(patch_size)
    elif options.name == "pspnet":
        pspnet.check_size(patch_size, options.output_stride or 8)
    else:
        deeplab.check_size(patch_size, options.output_stride or 16)
    if options.encoder == "mobilenet_v3_large":
        check_mobilenet_size(patch_size)
    if bands is not None:
        _check_bands(options, bands)


def check_batch(options: NetworkOptions, batch_size: int, devices: int = 1) -> None:
    """Refuses batches from which a network learns nothing.

    Where the mean of a whole patch is normalised over the batch, a batch of one has no spread: what is left is zero
    while training, and noise divided by nearly nothing in the exported model.

    Args:
        options: Which network.
        batch_size: Patches a step, over all devices.
        devices: Among which they are split evenly.

    Raises:
        NetworkError: If a device gets too few patches.
    """
    title = _MEAN_OF_PATCH.get(options.name)
    if title and batch_size // devices < 2:
        several = f" on {devices} devices" if devices > 1 else ""
        raise NetworkError(
            f"{title} cannot be trained with training.batch_size {batch_size}{several}: it normalises the mean of each "
            "patch over a device's batch",
            "at least two patches a device",
            f"set training.batch_size to {2 * devices} or more",
        )


def _check_bands(options: NetworkOptions, bands: Sequence[str]) -> None:
    channels_of(bands, options.pretrained_bands)  # raises
    if not options.branches:
        return
    taken = [band for branch in options.branches for band in branch.bands]
    given = ", ".join(bands)
    strange = [band for band in taken if band not in bands]
    if strange:
        raise NetworkError(
            f"network.branches names {', '.join(strange)}", f"bands of the records: {given}", "correct network.branches"
        )
    idle = [band for band in bands if band not in taken]
    if idle:
        raise NetworkError(
            f"no branch of network.branches takes {', '.join(idle)}",
            f"every band of the records ({given}) in a branch",
            "add it to a branch, or take it out of data.bands",
        )
